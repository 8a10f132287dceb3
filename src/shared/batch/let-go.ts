import { z } from 'zod'
import type { Redis } from '../redis/connect.ts'
import type { Keys } from '../redis/keys.ts'
import { defineScript } from '../redis/script.ts'

const script = defineScript({
  file: new URL('./let-go.lua', import.meta.url),
  keys: ['outcomes', 'unsealed', 'unwritten'],
  args: ['chunk', 'now_ms'],
  answer: z.number(),
})

/** Outcomes of a chunk that are not in the ledger yet: index -> text as Redis holds it (see `outcome.ts`). */
export async function unwrittenOutcomes(
  redis: Redis,
  keys: Keys,
  batch: string,
  chunk: number,
): Promise<Map<number, string>> {
  const found = await redis.hgetall(keys.batch(batch).outcomes(chunk))
  return new Map(Object.entries(found).map(([index, text]) => [Number(index), text]))
}

/** Lets go of outcomes that stand in the ledger now, and of no others. */
export async function letGo(
  redis: Redis,
  keys: Keys,
  place: { batch: string; chunk: number; nowMs: number },
  written: ReadonlyMap<number, string>,
): Promise<void> {
  const { outcomes, unsealed } = keys.batch(place.batch)
  await script(
    redis,
    { outcomes: outcomes(place.chunk), unsealed, unwritten: keys.unwritten },
    { chunk: place.chunk, now_ms: place.nowMs },
    [...written].flat(),
  )
}
