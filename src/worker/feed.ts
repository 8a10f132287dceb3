import type { AcceptedItem, InputItem } from '../shared/contract/accepted.ts'
import type { Priority } from '../shared/contract/priority.ts'
import { markFed, takeTurn } from '../shared/batch/feed-turn.ts'
import { readLive } from '../shared/batch/live.ts'
import { readLane } from '../shared/lanes/lane.ts'
import { chunkOf, chunkSize, readInputChunk } from '../shared/ledger/chunks.ts'
import { readManifest, type Manifest } from '../shared/ledger/manifest.ts'
import type { Store } from '../shared/ledger/store.ts'
import type { Clock } from '../shared/process/clock.ts'
import type { Metrics } from '../shared/process/metrics.ts'
import { enqueueItems, trigger } from '../shared/queues/enqueue.ts'
import { generateQueue, type GenerateJob } from '../shared/queues/jobs.ts'
import { waitingKey, type Queues } from '../shared/queues/open.ts'
import { again, done, type Verdict } from '../shared/queues/verdict.ts'
import type { Redis } from '../shared/redis/connect.ts'
import type { Keys } from '../shared/redis/keys.ts'
import type { Epoch } from './epoch.ts'
import type { FeedTrigger } from './feed-trigger.ts'
import type { RelayTrigger } from './relay/relay-trigger.ts'
import { lookForOutput } from './generate/look.ts'
import { settleStanding } from './generate/settle-standing.ts'
import { wantedOf } from './generate/work.ts'
import { settleInvalid } from './settle-invalid.ts'

export interface FeedParts {
  readonly redis: Redis
  readonly keys: Keys
  readonly store: Store
  readonly queues: Queues
  readonly clock: Clock
  readonly metrics: Metrics
  readonly epoch: Epoch
  readonly feedTrigger: FeedTrigger
  readonly relayTrigger: RelayTrigger
  readonly cache: FeedCache
}

/** Most jobs that are ready to run on a queue, whatever the number of batches. */
const windowMax = 2000
/** Delayed jobs count too: so many windows of them, and the feed stops. */
const delayedWindowsMax = 10
/** Most items of one batch in one turn: whoever is next must not wait for a whole chunk. */
const turnMax = 100
/** A run ends after so many turns and comes again, so that a million reused items do not hold a place for ever. */
const turnsMax = 500

/** Puts items on their queue, as many as its window has room for: in turn by tenant, then by batch. */
export async function feedQueue(parts: FeedParts, priority: Priority): Promise<Verdict> {
  const { redis, keys, queues, epoch } = parts
  for (let turn = 0; turn < turnsMax; turn += 1) {
    if (!(await lanesOpen(parts))) return done // the sweep asks again
    const room = await roomOnQueue(parts, priority)
    if (room <= 0) return done
    const tenants = Math.max(1, await redis.llen(keys.feedTenants(priority)))
    const count = Math.min(turnMax, Math.ceil(room / tenants))
    const taken = await epoch.guarded((guarded, runId) => takeTurn(guarded, keys, runId, priority, count))
    if (taken.kind === 'none') return done
    if (taken.kind === 'wait') return again(taken.waitMs)
    if (taken.kind === 'items') await feedItems(parts, taken.batch, taken.indexes)
  }
  await trigger(queues, { v: 1, kind: 'feed', priority })
  return done
}

async function lanesOpen({ redis, keys }: FeedParts): Promise<boolean> {
  const [provider, storage] = await Promise.all([readLane(redis, keys, 'provider'), readLane(redis, keys, 'storage')])
  return provider.open && storage.open
}

/** How many jobs more the queue may hold: twice the places in use. What stands in it is in front of everybody. */
async function roomOnQueue(parts: FeedParts, priority: Priority): Promise<number> {
  const { redis, keys, queues } = parts
  const [ready, delayed, workers] = await Promise.all([
    redis.llen(waitingKey(queues.prefix, generateQueue(priority))),
    queues.get(generateQueue(priority)).getDelayedCount(),
    redis.hvals(keys.workers),
  ])
  const places = workers.reduce((sum, count) => sum + Number(count), 0)
  const window = Math.min(windowMax, 2 * places)
  parts.feedTrigger.window(priority, window)
  return Math.min(window, delayedWindowsMax * window - delayed) - ready
}

async function feedItems(parts: FeedParts, batch: string, indexes: readonly number[]): Promise<void> {
  const { redis, keys, queues } = parts
  const live = await readLive(redis, keys, batch)
  if (live === undefined) return
  const manifest = await parts.cache.manifest(batch)
  for (const index of indexes) {
    const item = await itemAt(parts.cache, manifest, index)
    if (item.invalid !== undefined) await settleInvalid(parts, manifest, live.round, item)
  }
  const open = await settleReused(parts, manifest, await jobsOf(parts.cache, manifest, live.round, indexes))
  await enqueueItems(queues, manifest.options.priority, open)
  await markFed(
    redis,
    keys,
    batch,
    open.map((job) => job.item.index),
  )
}

/** Puts items on their queue again whose jobs are gone; those that have one are left alone. */
export async function feedAgain(
  { queues, cache }: Pick<FeedParts, 'queues' | 'cache'>,
  batch: string,
  round: number,
  indexes: readonly number[],
): Promise<void> {
  const manifest = await cache.manifest(batch)
  await enqueueItems(queues, manifest.options.priority, await jobsOf(cache, manifest, round, indexes))
}

/** The jobs of items in a round of their batch; those that were wrong at intake have none. */
export async function jobsOf(
  cache: FeedCache,
  manifest: Manifest,
  round: number,
  indexes: readonly number[],
): Promise<GenerateJob[]> {
  const jobs: GenerateJob[] = []
  for (const index of indexes) {
    const item = await itemAt(cache, manifest, index)
    if (item.invalid === undefined) jobs.push(jobOf(manifest, round, item))
  }
  return jobs
}

async function itemAt(cache: FeedCache, manifest: Manifest, index: number): Promise<InputItem> {
  const item = (await cache.chunk(manifest, chunkOf(index)))[index % chunkSize]
  if (item === undefined) throw new Error(`item ${String(index)} of ${manifest.batch} is missing in the ledger`)
  return item
}

function jobOf(manifest: Manifest, round: number, item: AcceptedItem): GenerateJob {
  const { batch, tenant, total, options } = manifest
  return {
    v: 1,
    tenant,
    batch,
    round,
    priority: options.priority,
    total,
    overwrite: options.overwrite,
    max_attempts: options.max_attempts,
    cache_control: options.cache_control,
    item,
  }
}

/** Settles the items whose output another batch has made, where keys are shared; gives those that need a job. */
async function settleReused(
  parts: FeedParts,
  manifest: Manifest,
  jobs: readonly GenerateJob[],
): Promise<GenerateJob[]> {
  if (!manifest.options.shared_keys || manifest.options.overwrite === 'always') return [...jobs]
  const reused = await Promise.all(jobs.map((job) => settleIfReused(parts, job)))
  return jobs.filter((_, at) => reused[at] !== true)
}

async function settleIfReused(parts: FeedParts, job: GenerateJob): Promise<boolean> {
  const look = await lookForOutput(parts.store, wantedOf(job))
  // What this item made itself is for its own claim to find: an attempt may hold its fence.
  if (look.kind === 'missing' || look.own) return false
  await settleStanding(parts, job, look)
  return true
}

/** Manifests and input chunks do not change: the last few are kept. */
export interface FeedCache {
  manifest(batch: string): Promise<Manifest>
  chunk(manifest: Manifest, chunk: number): Promise<InputItem[]>
}

const chunksKept = 16
const manifestsKept = 256

export function newFeedCache(store: Store): FeedCache {
  const manifests = new Map<string, Promise<Manifest>>()
  const chunks = new Map<string, Promise<InputItem[]>>()
  return {
    manifest: (batch) =>
      kept(manifests, manifestsKept, batch, async () => {
        const manifest = await readManifest(store, batch)
        if (manifest === undefined) throw new Error(`the manifest of ${batch} is missing in the ledger`)
        return manifest
      }),
    chunk: ({ batch, attempt }, chunk) =>
      kept(chunks, chunksKept, `${batch}/${String(chunk)}`, () => readInputChunk(store, { batch, attempt, chunk })),
  }
}

/** The value of a key, made once; the least recently used goes when there are too many. */
function kept<T>(values: Map<string, Promise<T>>, max: number, key: string, make: () => Promise<T>): Promise<T> {
  const found = values.get(key) ?? make()
  values.delete(key)
  values.set(key, found)
  found.catch(() => values.delete(key))
  for (const oldest of values.keys()) {
    if (values.size <= max) break
    values.delete(oldest)
  }
  return found
}
