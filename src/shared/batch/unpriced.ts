import { readInputChunk } from '../ledger/chunks.ts'
import type { Manifest } from '../ledger/manifest.ts'
import type { Store } from '../ledger/store.ts'

const chunksAtOnce = 16

/** A model of the batch whose price is not known; undefined where all are. Reads the batch's whole input. */
export async function unpricedModel(store: Store, { batch, attempt, chunks }: Manifest): Promise<string | undefined> {
  for (let from = 0; from < chunks; from += chunksAtOnce) {
    const few = Array.from({ length: Math.min(chunksAtOnce, chunks - from) }, (_, at) =>
      readInputChunk(store, { batch, attempt, chunk: from + at }),
    )
    const found = (await Promise.all(few)).flat().find((item) => item.price_nano === null)
    if (found !== undefined) return found.model
  }
  return undefined
}
