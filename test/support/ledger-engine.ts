import { createBatch } from '../../src/shared/batch/create.ts'
import type { AcceptedItem, AcceptedOptions } from '../../src/shared/contract/accepted.ts'
import { chunkSize, writeInputChunk } from '../../src/shared/ledger/chunks.ts'
import { writeManifest, type Manifest } from '../../src/shared/ledger/manifest.ts'
import { writeMarker } from '../../src/shared/ledger/markers.ts'
import type { Store } from '../../src/shared/ledger/store.ts'
import { systemClock, type Clock } from '../../src/shared/process/clock.ts'
import { openQueues, type Queues } from '../../src/shared/queues/open.ts'
import type { Redis } from '../../src/shared/redis/connect.ts'
import { newKeys } from '../../src/shared/redis/keys.ts'
import { freshEngine, newManifest, priceNano, type Engine } from './engine.ts'

/** An engine with a ledger beside it and the queues of BullMQ: what the stages of a worker stand on. */
export interface LedgerEngine extends Engine {
  readonly store: Store
  readonly queues: Queues
  readonly clock: Clock
}

/** Fresh names on this Redis; the bucket is the caller's. */
export async function freshLedgerEngine(redis: Redis, store: Store): Promise<LedgerEngine> {
  return onLedger(await freshEngine(redis), store)
}

/** The same names over another client, or on another Redis. */
export function onLedger({ redis, keys }: Engine, store: Store): LedgerEngine {
  const queues = openQueues(redis, keys.prefix, (error) => {
    throw error
  })
  return { redis, keys: newKeys(keys.prefix), store, queues, clock: systemClock }
}

function acceptedItem(manifest: Manifest, index: number): AcceptedItem {
  return {
    index,
    custom_id: `item-${String(index + 1)}`,
    model: 'black-forest-labs/flux-schnell',
    prompt: `a shoe of ${manifest.tenant}`,
    parameters: { width: 256, height: 256 },
    fingerprint: 'f'.repeat(64),
    key: `${manifest.batch}/item-${String(index)}.png`,
    price_nano: priceNano,
  }
}

/** What intake leaves in the ledger of a batch: marker, input, manifest. */
async function writeAccepted(store: Store, manifest: Manifest): Promise<void> {
  const { batch, attempt, total } = manifest
  await writeMarker(store, batch, 1)
  for (let chunk = 0; chunk < manifest.chunks; chunk += 1) {
    const from = chunk * chunkSize
    const items = Array.from({ length: Math.min(chunkSize, total - from) }, (_, at) =>
      acceptedItem(manifest, from + at),
    )
    await writeInputChunk(store, { batch, attempt, chunk }, items)
  }
  await writeManifest(store, manifest)
}

/** Accepts a batch as the API does: the ledger first, then Redis. */
export async function acceptBatch(
  { redis, keys, store }: LedgerEngine,
  total: number,
  options: Partial<AcceptedOptions> = {},
  tenant = 'default',
): Promise<Manifest> {
  const manifest = newManifest(total, options, tenant)
  await writeAccepted(store, manifest)
  await createBatch(redis, keys, manifest)
  return manifest
}
