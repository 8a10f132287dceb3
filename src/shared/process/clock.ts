import { setTimeout as delay } from 'node:timers/promises'

/** The one door to time. Handed down from the entry point, so that a test can hold the clock. */
export interface Clock {
  /** Wall clock, unix milliseconds: for times that people read. */
  now(): number
  /** Milliseconds that only grow: for durations and deadlines. */
  monotonic(): number
  /** Resolves after `ms`; rejects with an AbortError when the signal aborts first. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>
  /** Calls `tick` every `ms` until the returned function is called. Does not keep the process alive. */
  every(ms: number, tick: () => void): () => void
}

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  sleep: (ms, signal) => delay(ms, undefined, signal === undefined ? {} : { signal }),
  every: (ms, tick) => {
    const timer = setInterval(tick, ms)
    timer.unref()
    return () => {
      clearInterval(timer)
    }
  },
}
