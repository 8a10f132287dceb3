import { z } from 'zod'
import type { Redis } from '../redis/connect.ts'
import type { Keys } from '../redis/keys.ts'
import { defineScript } from '../redis/script.ts'

const lua = (name: string): URL => new URL(name, import.meta.url)

const script = defineScript({
  file: lua('./end.lua'),
  libraries: [lua('./states.lua'), lua('../events/append.lua')],
  keys: ['live', 'states', 'tries', 'log', 'claimed', 'settled', 'unsealed', 'batches', 'undelivered', 'events'],
  args: ['batch', 'round', 'attempt', 'event_type', 'now_ms', 'ttl_ms'],
  answer: z.enum(['ended', 'already', 'refused', 'no_batch']),
})

/** How long Redis keeps an ended batch; a minute at most is promised. */
const endedTtlMs = 45_000

/** Ends a batch's round and tells of it, in one script. `refused`: something is open, or another round runs. */
export async function endBatch(
  redis: Redis,
  keys: Keys,
  end: { batch: string; round: number; attempt: string; eventType: string; nowMs: number },
): Promise<'ended' | 'already' | 'refused' | 'no_batch'> {
  const { live, states, tries, log, claimed, settled, unsealed } = keys.batch(end.batch)
  return await script(
    redis,
    {
      live,
      states,
      tries,
      log,
      claimed,
      settled,
      unsealed,
      batches: keys.batches,
      undelivered: keys.undelivered,
      events: keys.events,
    },
    {
      batch: end.batch,
      round: end.round,
      attempt: end.attempt,
      event_type: end.eventType,
      now_ms: end.nowMs,
      ttl_ms: endedTtlMs,
    },
  )
}
