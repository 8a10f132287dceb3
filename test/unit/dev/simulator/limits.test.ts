import { describe, expect, it } from 'vitest'
import { createLimits } from '../../../../src/dev/simulator/limits.ts'
import { defaultSettings, type Settings } from '../../../../src/dev/simulator/settings.ts'
import { skippingClock } from '../../../support/skipping-clock.ts'

const minuteStartMs = 1_760_000_040_000

function limitsWith(changed: Partial<Settings>) {
  const clock = skippingClock(minuteStartMs)
  const limits = createLimits(clock, () => ({ ...defaultSettings, ...changed }))
  const goes = (times: number) => {
    let went = 0
    for (let time = 0; time < times; time++) {
      if (limits.enter('key').verdict !== 'go') continue
      went += 1
      limits.leave('key')
    }
    return went
  }
  return { limits, goes, pass: (ms: number) => clock.sleep(ms) }
}

describe('a fixed window', () => {
  it('lets the whole limit in at its end and again right after', async () => {
    const { goes, pass } = limitsWith({ rate_limit: 10, window: 'fixed' })
    await pass(59_000)
    expect(goes(20)).toBe(10)
    await pass(999)
    expect(goes(20)).toBe(0)
    await pass(1)
    expect(goes(20)).toBe(10)
  })
})

describe('a sliding window', () => {
  it('holds in any sixty seconds', async () => {
    const { goes, pass } = limitsWith({ rate_limit: 10, window: 'sliding' })
    await pass(50_000)
    expect(goes(6)).toBe(6)
    await pass(15_000)
    expect(goes(20)).toBe(4)
    await pass(44_999)
    expect(goes(20)).toBe(0)
    await pass(1)
    expect(goes(20)).toBe(6)
  })
})

describe('a bucket', () => {
  it('lets the limit in at once, then one at a time', async () => {
    const { goes, pass, limits } = limitsWith({ rate_limit: 10, window: 'bucket' })
    expect(goes(20)).toBe(10)
    expect(limits.enter('key').headers).toMatchObject({ 'Retry-After': '6' })
    await pass(6_000)
    expect(goes(20)).toBe(1)
    await pass(12_000)
    expect(goes(20)).toBe(2)
    await pass(600_000)
    expect(goes(20)).toBe(10)
  })
})

describe('any window', () => {
  it('does not count refused calls unless told to', async () => {
    for (const [counted, expected] of [
      [false, 5],
      [true, 0],
    ] as const) {
      const { goes, pass } = limitsWith({ rate_limit: 5, window: 'sliding', count_rejected: counted })
      goes(5)
      await pass(30_000)
      goes(20)
      await pass(30_000)
      expect(goes(20)).toBe(expected)
    }
  })

  it('is each key its own', () => {
    const { limits, goes } = limitsWith({ rate_limit: 3 })
    expect(goes(5)).toBe(3)
    expect(limits.enter('other').verdict).toBe('go')
  })

  it('knows no limit where it is 0', () => {
    const { goes } = limitsWith({ rate_limit: 0 })
    expect(goes(5000)).toBe(5000)
  })
})

it('counts calls at once until they leave', () => {
  const { limits } = limitsWith({ max_concurrent: 2 })
  expect(['a', 'b', 'c'].map(() => limits.enter('key').verdict)).toEqual(['go', 'go', 'too_many_at_once'])
  limits.leave('key')
  expect(limits.enter('key').verdict).toBe('go')
})
