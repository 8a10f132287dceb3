import { catchUp, type CatchUpParts } from '../shared/batch/catch-up.ts'
import { readLive } from '../shared/batch/live.ts'
import { reviveBatch } from '../shared/batch/revive.ts'
import { listMarkers } from '../shared/ledger/markers.ts'

export interface Rebuilt {
  /** Batches that the ledger calls live. */
  readonly live: number
  /** Of these, batches that were brought back now. */
  readonly created: number
  /** Batches that Redis had lost, whoever has brought them back: a sweep may have been quicker. */
  readonly lost: number
}

/**
 * Holds Redis against the ledger: every batch that the ledger calls live is brought back where Redis does not have it,
 * and forward where it has. Two rebuilds at once do no harm: each step decides in Redis.
 */
export async function rebuild(parts: CatchUpParts): Promise<Rebuilt> {
  let live = 0
  let created = 0
  let lost = 0
  for await (const marker of listMarkers(parts.store)) {
    live += 1
    let found = await reviveBatch(parts, marker)
    if (found === 'exists' && !(await catchUp(parts, marker.batch))) found = await reviveBatch(parts, marker)
    if (found === 'created') created += 1
    if (found === 'created' || (await wasLost(parts, marker.batch))) lost += 1
  }
  return { live, created, lost }
}

async function wasLost({ redis, keys }: CatchUpParts, batch: string): Promise<boolean> {
  return (await readLive(redis, keys, batch))?.unlooked !== undefined
}
