import type { Failure } from '../shared/failures/failure.ts'
import { learnedLimit, learnRate, unknownLimit } from '../shared/lanes/rate.ts'
import type { Clock } from '../shared/process/clock.ts'
import type { Redis } from '../shared/redis/connect.ts'
import type { Keys } from '../shared/redis/keys.ts'
import type { PaceHints } from './provider/pace.ts'

export interface PaceParts {
  readonly redis: Redis
  readonly keys: Keys
  readonly clock: Clock
  readonly placesMax: number
  /** Calls a minute as configured, undefined where they are to be learned. */
  readonly configured: number | undefined
}

/** What this process knows of the provider's pace, and how many items make sense at once because of it. */
export interface Pace {
  /** Takes over what an answer said, good or bad. */
  note(hints: PaceHints, durationMs: number, failure?: Failure): Promise<void>
  /** Learns what other processes learned. */
  refresh(): Promise<void>
  /** Calls a minute, as far as known. */
  perMinute(): number
  /** Items that a process takes at once where `processes` share the rate: more would only take choice away. */
  places(processes: number): number
}

/** A 429 that names no time holds everybody this long. */
const holdMs = 1000

export function newPace(parts: PaceParts): Pace {
  const { redis, keys, clock } = parts
  let learned: number | undefined
  let averageMs = 2000

  const perMinute = (): number => Math.min(parts.configured ?? Infinity, learned ?? parts.configured ?? unknownLimit)

  return {
    perMinute,
    async note(hints, durationMs, failure) {
      if (failure === undefined) averageMs = averageMs * 0.9 + durationMs * 0.1
      const untilResetMs = hints.resetAtMs === undefined ? 0 : hints.resetAtMs - clock.now()
      const hold =
        failure?.class === 'throttled'
          ? Math.max(hints.retryAfterMs ?? untilResetMs, failure.retryAfterMs ?? 0, holdMs)
          : 0
      if (hold === 0 && (hints.limit === undefined || hints.limit === learned)) return
      await learnRate(redis, keys, hints.limit, hold)
      learned = hints.limit ?? learned
    },
    async refresh() {
      learned = (await learnedLimit(redis, keys)) ?? learned
    },
    places(processes) {
      const inFlight = (perMinute() / 60_000) * averageMs * 1.5
      return Math.min(parts.placesMax, Math.ceil(inFlight / Math.max(1, processes)) + 2)
    },
  }
}
