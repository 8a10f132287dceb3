import { describe, expect, it } from 'vitest'
import { nextDelayMs } from '../../../../src/shared/webhooks/retry-schedule.ts'
import type { Random } from '../../../../src/shared/process/random.ts'

const draws = (value: number): Random => ({ number: () => value, bytes: (count) => Buffer.alloc(count) })
const schedule = [0, 5_000, 300_000]

describe('nextDelayMs', () => {
  it('walks the schedule and ends with it', () => {
    const steps = [0, 1, 2, 3].map((made) => nextDelayMs(schedule, made, draws(0)))
    expect(steps).toEqual([0, 5_000, 300_000, undefined])
  })

  it('adds at most a fifth and never shortens', () => {
    expect(nextDelayMs(schedule, 1, draws(0))).toBe(5_000)
    expect(nextDelayMs(schedule, 1, draws(0.5))).toBe(5_500)
    expect(nextDelayMs(schedule, 1, draws(0.999_999))).toBeLessThanOrEqual(6_000)
  })

  it('waits for as long as the receiver asked, and never less than its own step', () => {
    expect(nextDelayMs(schedule, 1, draws(0), 60_000)).toBe(60_000)
    expect(nextDelayMs(schedule, 1, draws(0), 1_000)).toBe(5_000)
    expect(nextDelayMs(schedule, 3, draws(0), 60_000)).toBeUndefined()
  })
})
