import type { AcceptedOptions } from '../contract/accepted.ts'
import { batchPath } from './paths.ts'
import { StoreConflict, type Store } from './store.ts'

/** What was accepted. Its create is the only commit of a batch; it never changes afterwards. */
export interface Manifest {
  v: 1
  batch: string
  tenant: string
  /** The attempt whose input folder counts. */
  attempt: string
  body_hash: string
  created_at_ms: number
  options: AcceptedOptions
  total: number
  chunks: number
  warnings: unknown[]
  /** Lines that were wrong and skipped; absent: none. */
  errors?: { data: unknown[]; total: number }
  /** The exact bytes of the 202. */
  answer: string
}

/** Commits the batch. Throws `StoreConflict` where a manifest stands already. */
export async function writeManifest(store: Store, manifest: Manifest, deadlineMs?: number): Promise<void> {
  await store.put(batchPath(manifest.batch, 'manifest.json'), JSON.stringify(manifest), {
    condition: 'absent',
    contentType: 'application/json',
    deadlineMs,
  })
}

export async function readManifest(store: Store, batch: string): Promise<Manifest | undefined> {
  const found = await readCommit(store, batch)
  return found === 'abandoned' ? undefined : found
}

/** Stands where a manifest would: the upload was given up, and a late commit must fail. */
interface Abandoned {
  v: 1
  abandoned: true
}

/** As `readManifest`, and says whether the upload was given up. */
export async function readCommit(store: Store, batch: string): Promise<Manifest | 'abandoned' | undefined> {
  const found = await store.get(batchPath(batch, 'manifest.json'))
  if (found === undefined) return undefined
  const commit = JSON.parse(found.body.toString()) as Manifest | Abandoned
  return 'abandoned' in commit ? 'abandoned' : commit
}

/** Sees to it that this batch is never committed. Gives false where it is already. */
export async function abandonBatch(store: Store, batch: string): Promise<boolean> {
  const abandoned: Abandoned = { v: 1, abandoned: true }
  try {
    await store.put(batchPath(batch, 'manifest.json'), JSON.stringify(abandoned), {
      condition: 'absent',
      contentType: 'application/json',
    })
    return true
  } catch (error) {
    if (!(error instanceof StoreConflict)) throw error
    return (await readCommit(store, batch)) === 'abandoned'
  }
}
