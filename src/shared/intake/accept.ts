import { createBatch } from '../batch/create.ts'
import { newBatchObject } from '../batch/view.ts'
import type { Config } from '../config/config.ts'
import { newBatchId } from '../contract/ids.ts'
import { ApiProblem } from '../contract/problem.ts'
import { removeInput } from '../ledger/chunks.ts'
import { writeListing } from '../ledger/listing.ts'
import { readCommit, writeManifest, type Manifest } from '../ledger/manifest.ts'
import { removeMarker } from '../ledger/markers.ts'
import { StoreConflict, type Store } from '../ledger/store.ts'
import type { Clock } from '../process/clock.ts'
import { within } from '../process/deadline.ts'
import type { Log } from '../process/log.ts'
import type { Random } from '../process/random.ts'
import { triggerFeed } from '../queues/enqueue.ts'
import type { Queues } from '../queues/open.ts'
import type { Redis } from '../redis/connect.ts'
import type { Keys } from '../redis/keys.ts'
import { newInputWriter, type InputWriter, type Place } from './input-writer.ts'
import { holdKey, type KeyHold } from './key-hold.ts'
import { readUpload, type Upload } from './read-upload.ts'

export interface AcceptParts {
  readonly config: Pick<Config, 'publicUrl' | 'webhook' | 'worker'>
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly redis: Redis
  readonly keys: Keys
  readonly queues: Queues
  readonly store: Store
}

export interface Accepted {
  readonly batch: string
  /** The bytes of the 202. */
  readonly answer: string
  /** It was accepted before, under the same idempotency key. */
  readonly replayed: boolean
}

const commitDeadlineMs = 10_000
/** Whoever was refused waits no longer than this for what was written to be gone. */
const takeAwayMs = 5_000

/**
 * Accepts a batch whole or refuses it whole. Order of writes: the idempotency key, the marker, input, the manifest,
 * whose create is the commit, listing, Redis. Throws `ApiProblem` for what is wrong in the request, and where the key
 * was used for another or is in use; `Failure` of class `storage_closed` where S3 is away before the commit. What was
 * written of a refused upload is taken away. Once the manifest stands the batch is accepted, whatever else fails.
 */
export async function acceptBatch(parts: AcceptParts, upload: Upload): Promise<Accepted> {
  const attempt = parts.random.bytes(8).toString('hex')
  const newBatch = (): string => newBatchId(parts.clock.now(), parts.random.number)
  const { tenant, key } = upload
  const hold = key === undefined ? undefined : await holdKey(parts, { tenant, key }, { attempt, newBatch })
  if (hold !== undefined && 'answer' in hold) return replay(hold, await upload.restHash())

  const place = { batch: hold?.batch ?? newBatch(), attempt }
  const input = newInputWriter(parts.store, place)
  let manifest: Manifest
  try {
    manifest = await readUpload(parts, place, input, upload, hold?.lost)
  } catch (error) {
    await giveUp(parts, place, input, hold, error)
    throw error
  }
  return await commit(parts, manifest, hold)
}

/** The answer that a key has already, for the same body; throws `ApiProblem` for another. */
function replay(manifest: Manifest, bodyHash: string): Accepted {
  if (manifest.body_hash !== bodyHash) {
    throw new ApiProblem({
      problem: 'invalid_request',
      code: 'idempotency_key_reused',
      param: 'Idempotency-Key',
      detail: 'This Idempotency-Key was used for another request.',
    })
  }
  return { batch: manifest.batch, answer: manifest.answer, replayed: true }
}

async function commit(parts: AcceptParts, manifest: Manifest, hold: KeyHold | undefined): Promise<Accepted> {
  const { batch, attempt, answer } = manifest
  const stands = await create(parts, manifest).catch(async (error: unknown) => {
    // Nobody can say whether it was accepted: all is left for the sweep, which knows by then, and a repeat gets its id.
    await hold?.free({ keepBatch: true }).catch(() => undefined)
    throw error
  })
  if (stands === 'ours') {
    await hold?.stop()
    await makeKnown(parts, manifest)
    // What an attempt left that died under this key is in nobody's way, and nobody's to keep.
    if (hold !== undefined && !hold.first) void removeInput(parts.store, batch, { but: attempt }).catch(() => undefined)
    return { batch, answer, replayed: false }
  }
  await hold?.stop()
  await within(parts.clock, takeAwayMs, removeInput(parts.store, batch, { of: attempt })).catch(() => undefined)
  if (stands !== 'abandoned') return replay(stands, manifest.body_hash)
  throw new ApiProblem({
    problem: 'unavailable',
    detail: 'The upload stood still for so long that it was given up. Nothing was kept; try again.',
    retryAfterS: 1,
  })
}

/** Creates the manifest; or gives what another attempt has put in its place. */
async function create({ store, log }: AcceptParts, manifest: Manifest): Promise<'ours' | 'abandoned' | Manifest> {
  try {
    await writeManifest(store, manifest, commitDeadlineMs)
    return 'ours'
  } catch (error) {
    // The write may have happened, and only its answer been lost. Then the batch is accepted, and must not be refused:
    // it would be paid for once more.
    const read = readCommit(store, manifest.batch)
    const stands = await (error instanceof StoreConflict ? read : read.catch(() => undefined))
    if (stands === undefined) throw error
    if (stands === 'abandoned' || stands.attempt !== manifest.attempt) return stands
    log.warn({ err: error, batch: manifest.batch }, 'the manifest stands, although its write failed')
    return 'ours'
  }
}

/** Of a refused upload nothing remains. Where S3 is away nobody is kept waiting for that. */
async function giveUp(
  parts: AcceptParts,
  place: Place,
  input: InputWriter,
  hold: KeyHold | undefined,
  error: unknown,
): Promise<void> {
  const gone = takeAway(parts, place, input, hold)
  if (error instanceof ApiProblem) await within(parts.clock, takeAwayMs, gone).catch(() => undefined)
}

/** Input first and the marker last: while it stands, the sweep finds what is left. */
async function takeAway(
  { store, log }: AcceptParts,
  { batch, attempt }: Place,
  input: InputWriter,
  hold: KeyHold | undefined,
): Promise<void> {
  try {
    await input.settled()
    // An attempt that took the key over needs the marker that it found.
    const alone = hold === undefined || (await hold.free({ keepBatch: false }))
    if (!input.begun) return
    await removeInput(store, batch, { of: attempt })
    if (alone) await removeMarker(store, batch, 1)
  } catch (error) {
    log.warn({ err: error, batch }, 'what was written of a refused batch is left for the sweep')
  }
}

/**
 * Lists, Redis and the feed. Each may fail: the batch is in the ledger, and the sweep brings it in. None takes longer
 * than the deadlines of its connection.
 */
async function makeKnown(parts: AcceptParts, manifest: Manifest): Promise<void> {
  const { redis, keys, queues, store, log } = parts
  const steps = [
    ['list', () => writeListing(store, manifest.tenant, newBatchObject(manifest))],
    ['create', () => createBatch(redis, keys, manifest)],
    ['feed', () => triggerFeed(queues, manifest.options.priority)],
  ] as const
  for (const [step, run] of steps) {
    try {
      await run()
    } catch (error) {
      log.warn({ err: error, batch: manifest.batch, step }, 'a batch is accepted, and left for the sweep to bring in')
    }
  }
}
