import { systemClock } from '../../src/shared/process/clock.ts'
import type { Clock } from '../../src/shared/process/clock.ts'

/** The system's clock, `times` as fast: to see a limit of 20 s hold without waiting for it. */
export function fastClock(times: number): Clock {
  return {
    now: () => systemClock.now(),
    monotonic: () => systemClock.monotonic() * times,
    sleep: async (ms, signal) => systemClock.sleep(ms / times, signal),
    every: (ms, tick) => systemClock.every(ms / times, tick),
  }
}
