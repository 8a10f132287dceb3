import { expect, it } from 'vitest'
import { median } from '../../../bench/median.ts'
import { newReport, reportOf, tableOf } from '../../../bench/report.ts'
import type { Round, Row, Sample } from '../../../bench/row.ts'

const sample = (cpuMs: number, perSecond: number): Sample => ({ cpuMs, perSecond, parts: { worker: cpuMs / 2 } })
const round = (ours: Sample, bare: Sample): Round => ({ ours, bare })
const row: Row = {
  name: 'a row',
  about: 'what it does',
  against: 'the loop',
  unit: 'image',
  items: 10,
  round: () => Promise.reject(new Error('not run')),
}

it('the median is the middle of what was measured', () => {
  expect(median([5, 1, 3])).toBe(3)
  expect(median([4, 1, 3, 2])).toBe(2.5)
  expect(() => median([])).toThrow('no numbers')
})

it('a ratio is made within each round, so that a busy minute counts for both', () => {
  const rounds = [
    round(sample(2, 100), sample(1, 400)),
    round(sample(8, 30), sample(4, 120)),
    round(sample(9, 5), sample(3, 20)),
  ]
  const { ours, bare, ratio } = reportOf(row, 10, rounds)
  expect(ours).toEqual({ cpuMs: 8, perSecond: 30, parts: { worker: 4 } })
  expect(bare).toEqual({ cpuMs: 3, perSecond: 120, parts: { worker: 1.5 } })
  expect(ratio).toEqual({ cpu: 2, perSecond: 0.25 })
})

it('the table shows both contenders and their ratio', () => {
  const report = newReport([reportOf(row, 10, [round(sample(2, 100), sample(1, 400))])], new Date(0))
  const table = tableOf(report)
  expect(table).toMatch(/Cratework +2 +100 +worker 1\n/)
  expect(table).toMatch(/the loop +1 +400 +worker 0\.5\n/)
  expect(table).toMatch(/ratio +2 +0\.25\n/)
})
