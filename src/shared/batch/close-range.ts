import { z } from 'zod'
import { chunkSize } from '../ledger/chunks.ts'
import type { Redis } from '../redis/connect.ts'
import type { Keys } from '../redis/keys.ts'
import { defineScript } from '../redis/script.ts'

const lua = (name: string): URL => new URL(name, import.meta.url)

const rangeScript = defineScript({
  file: lua('./close-range.lua'),
  libraries: [lua('./states.lua'), lua('./epoch.lua')],
  keys: ['epoch', 'live', 'states', 'claimed', 'settled'],
  args: ['run_id', 'from', 'count', 'chunk_size'],
  answer: z.array(z.string()),
})

const finalizeScript = defineScript({
  file: lua('./finalize.lua'),
  libraries: [lua('./states.lua')],
  keys: ['live'],
  args: ['now_ms'],
  answer: z.number(),
})

/** So many items a script: Redis answers nobody else meanwhile. */
const itemsAtOnce = 5000

export type Closed =
  /** All that waited is closed. `finalizing`: nothing is open any more. */
  | { readonly kind: 'closed'; readonly finalizing: boolean }
  /** Redis is being held against the ledger, or the living are given time to speak first. */
  | { readonly kind: 'wait'; readonly waitMs: number }

/** Closes the waiting items of a cancelled or expired batch, in ranges. */
export async function closeItems(
  redis: Redis,
  keys: Keys,
  runId: string,
  batch: string,
  nowMs: number,
): Promise<Closed> {
  const { live, states, claimed, settled } = keys.batch(batch)
  for (let from = 0; ;) {
    const [kind, value] = await rangeScript(
      redis,
      { epoch: keys.epoch, live, states, claimed, settled },
      { run_id: runId, from, count: itemsAtOnce, chunk_size: chunkSize },
    )
    if (kind === 'recovering') return { kind: 'wait', waitMs: 1000 }
    if (kind === 'quiet') return { kind: 'wait', waitMs: Number(value) }
    if (kind === 'through') break
    from = Number(value)
  }
  return { kind: 'closed', finalizing: (await finalizeScript(redis, { live }, { now_ms: nowMs })) === 1 }
}
