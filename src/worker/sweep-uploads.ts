import { batchTimeMs } from '../shared/contract/ids.ts'
import { inputWrittenMs, removeInput } from '../shared/ledger/chunks.ts'
import { removeOldKeys } from '../shared/ledger/idempotency.ts'
import { abandonBatch } from '../shared/ledger/manifest.ts'
import { removeMarker, type Marker } from '../shared/ledger/markers.ts'
import type { Store } from '../shared/ledger/store.ts'
import type { Clock } from '../shared/process/clock.ts'
import type { Log } from '../shared/process/log.ts'
import type { Redis } from '../shared/redis/connect.ts'
import type { Keys } from '../shared/redis/keys.ts'

export interface SweepUploadsParts {
  readonly redis: Redis
  readonly keys: Keys
  readonly store: Store
  readonly clock: Clock
  readonly log: Log
}

/** An upload that brought nothing for a day is given up. */
const uploadMsMax = 24 * 3600 * 1000
const keysEveryMs = 24 * 3600 * 1000

/**
 * Gives an upload up whose manifest does not stand a day after it last wrote: first a late commit is made to fail, then
 * its input goes, then its marker. Gives true where it did. Bears being run again at any point.
 */
export async function sweepUpload(
  { store, clock, log }: SweepUploadsParts,
  { batch, round }: Marker,
): Promise<boolean> {
  const sinceMs = clock.now() - uploadMsMax
  if (batchTimeMs(batch) > sinceMs || ((await inputWrittenMs(store, batch)) ?? 0) > sinceMs) return false
  if (!(await abandonBatch(store, batch))) return false
  await removeInput(store, batch)
  await removeMarker(store, batch, round)
  log.info({ batch }, 'an upload that was never finished is given up')
  return true
}

/** Removes idempotency keys whose time is over, once a day. */
export async function sweepKeys({ redis, keys, store, clock, log }: SweepUploadsParts): Promise<void> {
  if ((await redis.set(keys.lease('idempotency'), '1', 'PX', keysEveryMs, 'NX')) !== 'OK') return
  const removed = await removeOldKeys(store, clock.now())
  if (removed > 0) log.info({ removed }, 'idempotency keys are removed after a week')
}
