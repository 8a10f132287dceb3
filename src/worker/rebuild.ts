import { createBatch, type KnownOutcome } from '../shared/batch/create.ts'
import { indexOf, readResultChunk } from '../shared/ledger/chunks.ts'
import { readManifest, type Manifest } from '../shared/ledger/manifest.ts'
import { listMarkers, type Marker } from '../shared/ledger/markers.ts'
import type { Store } from '../shared/ledger/store.ts'
import { readSummary } from '../shared/ledger/summary.ts'
import type { Redis } from '../shared/redis/connect.ts'
import type { Keys } from '../shared/redis/keys.ts'

export interface RebuildParts {
  readonly redis: Redis
  readonly keys: Keys
  readonly store: Store
}

const chunksAtOnce = 16

export interface Rebuilt {
  /** Batches that the ledger calls live. */
  readonly live: number
  /** Of these, batches that Redis did not have. */
  readonly lost: number
}

/** Brings every batch that the ledger calls live, and that Redis does not have, back into Redis. */
export async function rebuild(parts: RebuildParts): Promise<Rebuilt> {
  let live = 0
  let lost = 0
  for await (const marker of listMarkers(parts.store)) {
    live += 1
    if ((await reviveBatch(parts, marker)) === 'created') lost += 1
  }
  return { live, lost }
}

/**
 * Brings one batch back where Redis does not have it. `no_manifest`: it was never accepted whole, or not yet.
 * An ended one has its event told again, under the same id.
 */
export async function reviveBatch(
  { redis, keys, store }: RebuildParts,
  { batch, round }: Marker,
): Promise<'created' | 'exists' | 'ended' | 'no_manifest'> {
  if ((await redis.exists(keys.batch(batch).live)) === 1) return 'exists'
  const manifest = await readManifest(store, batch)
  if (manifest === undefined) return 'no_manifest'
  const summary = await readSummary(store, batch)
  if (summary !== undefined && summary.round >= round) {
    await redis.sadd(keys.undelivered, `${batch}.${String(round)}`)
    return 'ended'
  }
  return await createBatch(redis, keys, manifest, { round, outcomes: await readOutcomes(store, manifest) })
}

/** What the ledger's results say of each item; the lines themselves are not kept. */
async function readOutcomes(store: Store, manifest: Manifest): Promise<Map<number, KnownOutcome>> {
  const outcomes = new Map<number, KnownOutcome>()
  for (let from = 0; from < manifest.chunks; from += chunksAtOnce) {
    const count = Math.min(chunksAtOnce, manifest.chunks - from)
    const chunks = await Promise.all(
      Array.from({ length: count }, (_, at) => readResultChunk(store, manifest.batch, from + at)),
    )
    for (const lines of chunks) {
      for (const line of lines.values()) {
        outcomes.set(indexOf(line), { status: line.status, attempts: line.attempts, cost_usd: line.cost_usd })
      }
    }
  }
  return outcomes
}
