import type { AcceptedOptions } from '../contract/accepted.ts'
import { batchPath } from './paths.ts'
import type { Store } from './store.ts'

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
  const found = await store.get(batchPath(batch, 'manifest.json'))
  return found === undefined ? undefined : (JSON.parse(found.body.toString()) as Manifest)
}
