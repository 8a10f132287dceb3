import type { Random } from '../process/random.ts'

const jitterMax = 0.2

/**
 * Milliseconds from now to the next attempt of a delivery, undefined where the schedule has no more. `schedule[k]` is the
 * wait before attempt k + 1. Jitter adds up to a fifth and never shortens; what the receiver asked for (`retryAfterMs`)
 * is waited in full, or the schedule's own step where that is longer (docs/webhooks.md, "Rules").
 */
export function nextDelayMs(
  schedule: readonly number[],
  attemptsMade: number,
  random: Random,
  retryAfterMs?: number,
): number | undefined {
  const stepMs = schedule[attemptsMade]
  if (stepMs === undefined) return undefined
  const leastMs = Math.max(stepMs, retryAfterMs ?? 0)
  return Math.ceil(leastMs * (1 + jitterMax * random.number()))
}
