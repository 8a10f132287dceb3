import type { BatchObject } from '../contract/batch-object.ts'
import { batchPath } from './paths.ts'
import { StoreConflict, type Store } from './store.ts'

/** How a batch's round ended. From its writing on the ledger answers for the batch, whatever Redis says. */
export interface Summary {
  v: 1
  round: number
  /** Of the event that tells of this end; those of a later round have greater ones. */
  sequence: number
  batch: BatchObject
}

export async function readSummary(store: Store, batch: string): Promise<Summary | undefined> {
  const found = await store.get(batchPath(batch, 'summary.json'))
  return found === undefined ? undefined : (JSON.parse(found.body.toString()) as Summary)
}

/** Writes how a round ended. Where that round's summary stands already, that one counts and is returned. */
export async function writeSummary(store: Store, summary: Summary): Promise<Summary> {
  const path = batchPath(summary.batch.id, 'summary.json')
  for (;;) {
    const found = await store.get(path)
    if (found !== undefined) {
      const stands = JSON.parse(found.body.toString()) as Summary
      if (stands.round >= summary.round) return stands
    }
    try {
      await store.put(path, JSON.stringify(summary), {
        condition: found === undefined ? 'absent' : { etag: found.etag },
        contentType: 'application/json',
      })
      return summary
    } catch (error) {
      if (!(error instanceof StoreConflict)) throw error
    }
  }
}
