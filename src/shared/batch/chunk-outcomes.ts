import type { StoredResultLine } from '../contract/result.ts'
import { chunkOf, readResultChunk } from '../ledger/chunks.ts'
import type { Control } from '../ledger/control.ts'
import type { Store } from '../ledger/store.ts'
import type { Redis } from '../redis/connect.ts'
import type { Keys } from '../redis/keys.ts'
import { unwrittenOutcomes } from './let-go.ts'
import { parseOutcome } from './outcome.ts'
import { isOpenAgain } from './rounds.ts'

/**
 * The outcomes of a chunk's items so far, by index: of a batch that is not `live` any more the ledger has all. Redis is
 * read before the ledger: an outcome that moves from one to the other meanwhile is seen twice and counted once. Of two
 * rounds the higher wins, and what the present round makes again has no outcome yet.
 */
export async function readChunkOutcomes(
  { redis, keys, store }: { redis: Redis; keys: Keys; store: Store },
  place: { batch: string; chunk: number; live: boolean; control: Pick<Control, 'round' | 'retry_codes'> },
): Promise<Map<number, StoredResultLine>> {
  const unwritten = place.live ? await unwrittenOutcomes(redis, keys, place.batch, place.chunk) : []
  const lines = await readResultChunk(store, place.batch, place.chunk)
  for (const [index, text] of unwritten) {
    const line = parseOutcome(text)
    const written = lines.get(index)
    if (written === undefined || line.round >= written.round) lines.set(index, line)
  }
  for (const [index, line] of lines) if (isOpenAgain(line, place.control)) lines.delete(index)
  return lines
}

/** One item's outcome of a round, from Redis where it is not in the ledger yet. */
export async function readItemOutcome(
  { redis, keys, store }: { redis: Redis; keys: Keys; store: Store },
  batch: string,
  round: number,
  index: number,
): Promise<StoredResultLine | undefined> {
  const chunk = chunkOf(index)
  const text = await redis.hget(keys.batch(batch).outcomes(chunk), String(index))
  const line = text === null ? (await readResultChunk(store, batch, chunk)).get(index) : parseOutcome(text)
  return line?.round === round ? line : undefined
}
