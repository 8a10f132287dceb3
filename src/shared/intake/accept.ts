import { createBatch } from '../batch/create.ts'
import { newBatchObject } from '../batch/view.ts'
import type { Config } from '../config/config.ts'
import type { AcceptedItem, AcceptedOptions } from '../contract/accepted.ts'
import type { BatchRequest } from '../contract/batch-request.ts'
import { newBatchId } from '../contract/ids.ts'
import { invalidRequest } from '../contract/problem.ts'
import { chunkSize, writeInputChunk } from '../ledger/chunks.ts'
import { writeListing } from '../ledger/listing.ts'
import { readManifest, writeManifest, type Manifest } from '../ledger/manifest.ts'
import { removeMarker, writeMarker } from '../ledger/markers.ts'
import { inputChunkPath } from '../ledger/paths.ts'
import type { Store } from '../ledger/store.ts'
import type { Clock } from '../process/clock.ts'
import type { Log } from '../process/log.ts'
import type { Random } from '../process/random.ts'
import { triggerFeed } from '../queues/enqueue.ts'
import type { Queues } from '../queues/open.ts'
import type { Redis } from '../redis/connect.ts'
import type { Keys } from '../redis/keys.ts'
import { checkItems } from './check-items.ts'
import { readItem } from './item.ts'
import { readOptions, type ItemRules } from './options.ts'

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

export interface Submission {
  readonly tenant: string
  readonly request: BatchRequest
  /** SHA-256 in hex of the decoded body with its content type. */
  readonly bodyHash: string
}

const chunksAtOnce = 4
const chunkDeadlineMs = 10_000

/**
 * Accepts a batch whole or refuses it whole (P1). Order of writes: marker, input, manifest, whose create is the commit,
 * listing, Redis. Throws `ApiProblem` for what is wrong in the request, before anything is written; `Failure` of class
 * `storage_closed` where S3 is away before the commit, and then takes away what it wrote. Once the manifest stands the
 * batch is accepted, whatever else fails.
 */
export async function acceptBatch(
  parts: AcceptParts,
  { tenant, request, bodyHash }: Submission,
): Promise<{ batch: string; answer: string }> {
  const { items, ...options } = request
  const createdAtMs = parts.clock.now()
  const batch = newBatchId(createdAtMs, parts.random.number)
  const read = readOptions(parts.config, batch, options)
  if ('faults' in read) throw invalidRequest(read.faults)
  const { warnings, anyOwnKey } = await checkItems(parts.clock, items, read.rules)

  const place = { batch, attempt: parts.random.bytes(8).toString('hex') }
  const accepted: AcceptedOptions = { ...read.accepted, shared_keys: read.accepted.shared_keys || anyOwnKey }
  const unanswered: Omit<Manifest, 'answer'> = {
    v: 1,
    batch,
    tenant,
    attempt: place.attempt,
    body_hash: bodyHash,
    created_at_ms: createdAtMs,
    options: accepted,
    total: items.length,
    chunks: Math.ceil(items.length / chunkSize),
    warnings,
  }
  const manifest: Manifest = { ...unanswered, answer: JSON.stringify(newBatchObject(unanswered)) }

  try {
    await writeMarker(parts.store, batch, 1)
    await writeInput(parts.store, place, items, read.rules)
  } catch (error) {
    // Not waited for: whoever called gets an answer in time, also where S3 answers nothing.
    void takeAway(parts, place, manifest.chunks)
    throw error
  }
  await commit(parts, manifest)
  await makeKnown(parts, manifest)
  return { batch, answer: manifest.answer }
}

interface Place {
  readonly batch: string
  readonly attempt: string
}

async function writeInput(store: Store, place: Place, items: readonly unknown[], rules: ItemRules): Promise<void> {
  const writeChunk = async (chunk: number): Promise<void> => {
    const first = chunk * chunkSize
    const accepted = items.slice(first, first + chunkSize).map((raw, at) => acceptedItem(raw, first + at, rules))
    await writeInputChunk(store, { ...place, chunk }, accepted, chunkDeadlineMs)
  }
  const chunks = Math.ceil(items.length / chunkSize)
  for (let chunk = 0; chunk < chunks; chunk += chunksAtOnce) {
    const few = Array.from({ length: Math.min(chunksAtOnce, chunks - chunk) }, (_, at) => writeChunk(chunk + at))
    // All of them, also where one fails: what is taken away must not be written afterwards.
    const failed = (await Promise.allSettled(few)).find((write) => write.status === 'rejected')
    if (failed !== undefined) throw failed.reason
  }
}

function acceptedItem(raw: unknown, index: number, rules: ItemRules): AcceptedItem {
  const read = readItem(raw, index, rules)
  if ('faults' in read) throw new Error(`item ${String(index)} was right when it was checked and is not any more`)
  return read.item
}

/** Input first and the marker last: while it stands, the sweep finds what is left. */
async function takeAway({ store, log }: AcceptParts, place: Place, chunks: number): Promise<void> {
  try {
    for (let chunk = 0; chunk < chunks; chunk += 1) {
      await store.remove(inputChunkPath(place.batch, place.attempt, chunk))
    }
    await removeMarker(store, place.batch, 1)
  } catch (error) {
    log.warn({ err: error, batch: place.batch }, 'what was written of a refused batch is left for the sweep')
  }
}

async function commit({ store, log }: AcceptParts, manifest: Manifest): Promise<void> {
  try {
    await writeManifest(store, manifest)
  } catch (error) {
    // The write may have happened, and only its answer been lost. Then the batch is accepted, and must not be refused:
    // it would be paid for once more. Where nobody can say, all is left for the sweep, which knows by then.
    const stands = await readManifest(store, manifest.batch).catch(() => undefined)
    if (stands?.attempt !== manifest.attempt) throw error
    log.warn({ err: error, batch: manifest.batch }, 'the manifest stands, although its write failed')
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
