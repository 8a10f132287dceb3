import { priorities } from '../shared/contract/priority.ts'
import { itemState, stateAt } from '../shared/batch/states.ts'
import { reviveBatch } from '../shared/batch/revive.ts'
import { freeBudget } from '../shared/batch/free-budget.ts'
import { applyLeftControl, expireBatch } from '../shared/batch/say.ts'
import { readLive, type LiveBatch } from '../shared/batch/live.ts'
import { listMarkers, removeMarker } from '../shared/ledger/markers.ts'
import type { Clock } from '../shared/process/clock.ts'
import type { Log } from '../shared/process/log.ts'
import type { Metrics } from '../shared/process/metrics.ts'
import { trigger, triggerFeed } from '../shared/queues/enqueue.ts'
import { generateJobId, generateQueue } from '../shared/queues/jobs.ts'
import { jobKey, type Queues } from '../shared/queues/open.ts'
import type { Redis } from '../shared/redis/connect.ts'
import type { Keys } from '../shared/redis/keys.ts'
import type { Store } from '../shared/ledger/store.ts'
import { feedAgain, type FeedCache } from './feed.ts'
import { relayUndelivered } from './relay/relay.ts'
import { sweepKeys, sweepUpload } from './sweep-uploads.ts'

export interface SweepParts {
  readonly redis: Redis
  readonly keys: Keys
  readonly store: Store
  readonly queues: Queues
  readonly clock: Clock
  readonly log: Log
  readonly metrics: Metrics
  readonly cache: FeedCache
}

/** Outcomes that are not in the ledger yet are sealed at this age, whether their chunk is full or not. */
const unsealedMsMax = 60_000
/** All batches together: past this, everything that is not in the ledger is sealed. */
const unwrittenBytesMax = 32 * 1024 * 1024
/** A control that is being written is left to whoever writes it for so long. */
const pendingMsMax = 30_000
const existsAtOnce = 500

/**
 * The safety nets, one pass: whatever a killed process left undone is found and asked for again. Everything that it
 * asks for is idempotent, so it may be wrong about what is still under way.
 */
export async function sweep(parts: SweepParts): Promise<void> {
  await applyLeftControl(parts, pendingMsMax)
  await reviveUnknown(parts)
  await sweepKeys(parts)
  const waiting = { interactive: 0, standard: 0, bulk: 0 }
  for (const batch of await parts.redis.smembers(parts.keys.batches)) {
    const live = await readLive(parts.redis, parts.keys, batch)
    if (live === undefined) await parts.redis.srem(parts.keys.batches, batch)
    else {
      await sweepBatch(parts, batch, live)
      waiting[live.priority] += live.open + live.fed + live.in_progress
    }
  }
  for (const priority of priorities) {
    parts.metrics.backlog(priority, waiting[priority])
    if ((await parts.redis.llen(parts.keys.feedTenants(priority))) > 0) await triggerFeed(parts.queues, priority)
  }
  await trigger(parts.queues, { v: 1, kind: 'relay' })
  await relayUndelivered(parts)
  for (const batch of await parts.redis.hkeys(parts.keys.behind)) {
    await trigger(parts.queues, { v: 1, kind: 'relay-behind', batch })
  }
}

/** Batches that the ledger calls live and Redis does not know, and uploads that never became a batch. */
async function reviveUnknown(parts: SweepParts): Promise<void> {
  for await (const marker of listMarkers(parts.store)) {
    const found = await reviveBatch(parts, marker)
    if (found === 'created') parts.log.warn({ batch: marker.batch }, 'a batch was brought back from the ledger')
    if (found === 'no_manifest') await sweepUpload(parts, marker)
    // Left by a retry that died before it was said; one that is under way is on that list.
    if (found === 'unsaid' && (await parts.redis.zscore(parts.keys.pendingControl, marker.batch)) === null) {
      await removeMarker(parts.store, marker.batch, marker.round)
    }
  }
}

async function sweepBatch(parts: SweepParts, batch: string, live: LiveBatch): Promise<void> {
  const { redis, keys, queues, clock } = parts
  if (live.status === 'finalizing') {
    await trigger(queues, { v: 1, kind: 'finish', batch })
    return
  }
  if (live.closing !== undefined) await trigger(queues, { v: 1, kind: 'close', batch })
  else if (live.expires_at_ms !== undefined && live.expires_at_ms <= clock.now()) {
    await expireBatch(parts, live.tenant, batch)
  }
  await freeBudget(parts, batch, live)
  const tooMuch = Number((await redis.get(keys.unwritten)) ?? 0) > unwrittenBytesMax
  const oldEnough = tooMuch ? '+inf' : clock.now() - unsealedMsMax
  for (const chunk of await redis.zrangebyscore(keys.batch(batch).unsealed, '-inf', oldEnough)) {
    await trigger(queues, { v: 1, kind: 'seal', batch, chunk: Number(chunk) })
  }
  if (live.fed + live.in_progress > 0) await feedLost(parts, batch, live)
}

/** Items that were fed and have no job any more are put on the queue again. */
async function feedLost(parts: SweepParts, batch: string, live: LiveBatch): Promise<void> {
  const { redis, keys, queues, log } = parts
  const states = await redis.getBuffer(keys.batch(batch).states)
  if (states === null) return
  const underWay: number[] = []
  for (let index = 0; index < live.total; index += 1) {
    const state = stateAt(states, index)
    if (state === itemState.fed || state === itemState.in_progress) underWay.push(index)
  }
  for (let from = 0; from < underWay.length; from += existsAtOnce) {
    const indexes = underWay.slice(from, from + existsAtOnce)
    const pipeline = redis.pipeline()
    for (const index of indexes) {
      pipeline.exists(jobKey(queues.prefix, generateQueue(live.priority), generateJobId(batch, index, live.round)))
    }
    const answers = (await pipeline.exec()) ?? []
    const lost = indexes.filter((_, at) => answers[at]?.[1] === 0)
    if (lost.length === 0) continue
    log.warn({ batch, items: lost.length }, 'items without a job are put on their queue again')
    await feedAgain(parts, batch, live.round, lost)
  }
}
