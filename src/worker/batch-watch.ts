import type { Clock } from '../shared/process/clock.ts'
import type { Redis } from '../shared/redis/connect.ts'
import type { Keys } from '../shared/redis/keys.ts'

/** Why the items of a batch wait in vain: nothing of it will be granted a call. */
export type InVain = 'closing' | 'paused' | 'over_budget'

/** One item that waits; `signal` aborts when that is in vain. */
export interface Watched {
  readonly signal: AbortSignal
  why(): InVain | undefined
  end(): void
}

/**
 * Watches the batches whose items wait for a slot: while a lane is closed or the rate is low that may take for ever, and
 * whoever pauses or cancels a batch shall not wait for it.
 */
export interface BatchWatch {
  watch(batch: string): Watched
  stop(): void
}

const everyMs = 500

export function startBatchWatch(parts: {
  redis: Redis
  keys: Keys
  clock: Clock
  onError: (error: Error) => void
}): BatchWatch {
  const { redis, keys, clock } = parts
  const waiting = new Map<string, Set<(why: InVain) => void>>()
  let looking = false

  async function look(): Promise<void> {
    for (const [batch, waiters] of waiting) {
      const [closing, paused, overBudget] = await redis.hmget(
        keys.batch(batch).live,
        'closing',
        'paused_at_ms',
        'over_budget',
      )
      const why = inVain(closing, paused, overBudget)
      if (why !== undefined) for (const abort of waiters) abort(why)
    }
  }

  const cancel = clock.every(everyMs, () => {
    if (looking || waiting.size === 0) return
    looking = true
    look()
      .catch(parts.onError)
      .finally(() => {
        looking = false
      })
  })

  return {
    stop: cancel,
    watch(batch) {
      const controller = new AbortController()
      let why: InVain | undefined
      const abort = (found: InVain): void => {
        why ??= found
        controller.abort(new Error(`the batch is ${found}`))
      }
      const waiters = waiting.get(batch) ?? new Set()
      waiting.set(batch, waiters.add(abort))
      return {
        signal: controller.signal,
        why: () => why,
        end() {
          waiters.delete(abort)
          if (waiters.size === 0 && waiting.get(batch) === waiters) waiting.delete(batch)
        },
      }
    },
  }
}

function inVain(
  closing: string | null | undefined,
  paused: string | null | undefined,
  overBudget: string | null | undefined,
): InVain | undefined {
  if (typeof closing === 'string') return 'closing'
  if (typeof paused === 'string') return 'paused'
  return typeof overBudget === 'string' ? 'over_budget' : undefined
}
