import type { ResultLine, StoredResultLine } from '../contract/result.ts'
import { chunkOf, readResultChunk } from '../ledger/chunks.ts'
import type { Manifest } from '../ledger/manifest.ts'
import type { Store } from '../ledger/store.ts'
import type { Redis } from '../redis/connect.ts'
import type { Keys } from '../redis/keys.ts'
import { unwrittenOutcomes } from './let-go.ts'
import { parseOutcome } from './outcome.ts'

/** Links to outputs are good for so long from the moment of reading (contract section 3). */
const presignedSeconds = 3600

/**
 * The outcomes settled so far, in input order, from item `fromIndex` on, with a link to each output. Of a batch that is
 * not `live` any more the ledger has all. Redis is read before the ledger: an outcome that moves from one to the other
 * meanwhile is seen twice and counted once.
 */
export async function* readResults(
  parts: { redis: Redis; keys: Keys; store: Store },
  manifest: Manifest,
  { fromIndex, live }: { fromIndex: number; live: boolean },
): AsyncIterable<ResultLine> {
  for (let chunk = chunkOf(fromIndex); chunk < manifest.chunks; chunk += 1) {
    const lines = await (live
      ? readChunkOutcomes(parts, manifest.batch, chunk)
      : readResultChunk(parts.store, manifest.batch, chunk))
    for (const index of [...lines.keys()].sort((a, b) => a - b)) {
      const line = lines.get(index)
      if (line === undefined || index < fromIndex) continue
      yield await withLinks(parts.store, line)
    }
  }
}

/** A chunk's outcomes from both stores; the higher round wins. */
async function readChunkOutcomes(
  { redis, keys, store }: { redis: Redis; keys: Keys; store: Store },
  batch: string,
  chunk: number,
): Promise<Map<number, StoredResultLine>> {
  const unwritten = await unwrittenOutcomes(redis, keys, batch, chunk)
  const lines = await readResultChunk(store, batch, chunk)
  for (const [index, text] of unwritten) {
    const line = parseOutcome(text)
    const written = lines.get(index)
    if (written === undefined || line.round >= written.round) lines.set(index, line)
  }
  return lines
}

async function withLinks(store: Store, { round: _, ...line }: StoredResultLine): Promise<ResultLine> {
  if (line.response === null) return line
  const data = await Promise.all(
    line.response.body.data.map(async (image) => ({
      url: await store.presign(store.ownKey(image.s3_key), presignedSeconds),
      ...image,
    })),
  )
  return { ...line, response: { ...line.response, body: { ...line.response.body, data } } }
}
