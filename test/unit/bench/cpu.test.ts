import { expect, it } from 'vitest'
import { cpuMsOf, ofPs, ofStat } from '../../../bench/cpu.ts'

it('reads user and system time of /proc, whatever the name of the process', () => {
  const fields = 'S 1 1 1 0 -1 4194560 900 0 0 0 153 47 0 0 20 0 11 0 500 1000000 2000'
  expect(ofStat(`4711 (node) ${fields}`)).toBe(2000)
  expect(ofStat(`4711 (a ) b) (c) ${fields}`)).toBe(2000)
})

it.each([
  ['  0:01.25\n', 1250],
  ['00:00:07', 7000],
  ['61:00', 3_660_000],
  ['1-02:03:04', 93_784_000],
])('reads the time of ps: %j', (text, ms) => {
  expect(ofPs(text)).toBe(ms)
})

it('sees that this process has worked', async () => {
  const before = await cpuMsOf(process.pid)
  const endMs = performance.now() + 150
  while (performance.now() < endMs) JSON.parse('[1]')
  expect(await cpuMsOf(process.pid)).toBeGreaterThan(before)
})
