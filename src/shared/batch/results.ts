import type { ResultLine, StoredResultLine } from '../contract/result.ts'
import { chunkOf } from '../ledger/chunks.ts'
import { readControl } from '../ledger/control.ts'
import type { Manifest } from '../ledger/manifest.ts'
import type { Store } from '../ledger/store.ts'
import type { Redis } from '../redis/connect.ts'
import type { Keys } from '../redis/keys.ts'
import { readChunkOutcomes } from './chunk-outcomes.ts'

/** Links to outputs are good for so long from the moment of reading. */
const presignedSeconds = 3600

/**
 * The outcomes settled so far, in input order, from item `fromIndex` on, with a link to each output. Of a batch that is
 * not `live` any more the ledger has all.
 */
export async function* readResults(
  parts: { redis: Redis; keys: Keys; store: Store },
  manifest: Manifest,
  { fromIndex, live }: { fromIndex: number; live: boolean },
): AsyncIterable<ResultLine> {
  const control = await readControl(parts.store, manifest.batch)
  for (let chunk = chunkOf(fromIndex); chunk < manifest.chunks; chunk += 1) {
    const lines = await readChunkOutcomes(parts, { batch: manifest.batch, chunk, live, control })
    for (const index of [...lines.keys()].sort((a, b) => a - b)) {
      const line = lines.get(index)
      if (line === undefined || index < fromIndex) continue
      yield await withLinks(parts.store, line)
    }
  }
}

/** The line as people see it, with links to its outputs. */
export async function withLinks(
  store: Store,
  { round: _, attempt_log: __, ...line }: StoredResultLine,
): Promise<ResultLine> {
  if (line.response === null) return line
  const data = await Promise.all(
    line.response.body.data.map(async (image) => ({
      url: await store.presign(store.ownKey(image.s3_key), presignedSeconds),
      ...image,
    })),
  )
  return { ...line, response: { ...line.response, body: { ...line.response.body, data } } }
}
