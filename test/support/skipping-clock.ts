import type { Clock } from '../../src/shared/process/clock.ts'

/** A clock that stands still but for its sleeps, which take no time and are kept. */
export function skippingClock(startMs = 1_700_000_000_000): Clock & { readonly sleptMs: number[] } {
  let elapsedMs = 0
  const sleptMs: number[] = []
  return {
    sleptMs,
    now: () => startMs + elapsedMs,
    monotonic: () => elapsedMs,
    sleep: async (ms, signal) => {
      signal?.throwIfAborted()
      sleptMs.push(ms)
      elapsedMs += ms
      await Promise.resolve()
    },
    every: () => () => undefined,
  }
}
