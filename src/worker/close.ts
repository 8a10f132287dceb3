import { closeItems } from '../shared/batch/close-range.ts'
import { readLive, type LiveBatch } from '../shared/batch/live.ts'
import { itemState, stateAt } from '../shared/batch/states.ts'
import { chunkSize } from '../shared/ledger/chunks.ts'
import type { Manifest } from '../shared/ledger/manifest.ts'
import { trigger } from '../shared/queues/enqueue.ts'
import { again, done, type Verdict } from '../shared/queues/verdict.ts'
import { feedAgain, jobsOf, type FeedParts } from './feed.ts'
import { lookForOutput } from './generate/look.ts'
import { settleStanding } from './generate/settle-standing.ts'
import { wantedOf } from './generate/work.ts'
import { settleInvalid } from './settle-invalid.ts'

/**
 * Closes what waits of a cancelled or expired batch. What an attempt has claimed comes to its own end: the last of these
 * finishes the batch, or this does where there are none.
 */
export async function closeBatch(parts: FeedParts, batch: string): Promise<Verdict> {
  const { redis, keys, queues, clock, epoch } = parts
  const live = await readLive(redis, keys, batch)
  if (live?.closing === undefined || live.status !== 'in_progress') return done
  // After a loss of Redis the living first say what they hold.
  const quietMs = Number((await redis.hget(keys.epoch, 'quiet_until_ms')) ?? 0) - clock.now()
  if (quietMs > 0) return again(quietMs)
  await settleKnown(parts, batch, live)
  const closed = await epoch.guarded((guarded, runId) => closeItems(guarded, keys, runId, batch, clock.now()))
  if (closed.kind === 'wait') return again(closed.waitMs)
  if (closed.finalizing) await trigger(queues, { v: 1, kind: 'finish', batch })
  else await feedClaimed(parts, batch, live.round)
  return done
}

const looksAtOnce = 16

/**
 * What has its outcome, though Redis does not know it yet, is not closed: lines that were wrong at intake and, where
 * Redis had lost the batch, outputs that stand.
 */
async function settleKnown(parts: FeedParts, batch: string, { round, unlooked }: LiveBatch): Promise<void> {
  const manifest = await parts.cache.manifest(batch)
  if (unlooked === undefined && manifest.errors === undefined) return
  for (let chunk = 0; chunk < manifest.chunks; chunk += 1) {
    const first = chunk * chunkSize
    const open = await unsettledOf(parts, batch, first, Math.min(chunkSize, manifest.total - first))
    const items = open.length === 0 ? [] : await parts.cache.chunk(manifest, chunk)
    for (const index of open) {
      const item = items[index - first]
      if (item?.invalid !== undefined) await settleInvalid(parts, manifest, round, item)
    }
    if (unlooked !== undefined) await keepWhatStands(parts, manifest, round, open)
  }
  if (unlooked !== undefined) await parts.redis.hdel(parts.keys.batch(batch).live, 'unlooked')
}

async function keepWhatStands(
  parts: FeedParts,
  manifest: Manifest,
  round: number,
  indexes: readonly number[],
): Promise<void> {
  for (let from = 0; from < indexes.length; from += looksAtOnce) {
    const jobs = await jobsOf(parts.cache, manifest, round, indexes.slice(from, from + looksAtOnce))
    await Promise.all(
      jobs.map(async (job) => {
        const look = await lookForOutput(parts.store, wantedOf(job))
        if (look.kind === 'there' && look.own) await settleStanding(parts, job, look)
      }),
    )
  }
}

/** `first` is even: two items share a byte. */
async function unsettledOf({ redis, keys }: FeedParts, batch: string, first: number, count: number): Promise<number[]> {
  const packed = await redis.getrangeBuffer(keys.batch(batch).states, first / 2, Math.floor((first + count) / 2))
  return Array.from({ length: count }, (_, at) => first + at).filter(
    (index) => stateAt(packed, index - first) < itemState.succeeded,
  )
}

/** A claimed item that was handed back to the feed has no job, and the feed of a closed batch is over. */
async function feedClaimed(parts: FeedParts, batch: string, round: number): Promise<void> {
  const { redis, keys } = parts
  const states = await redis.getBuffer(keys.batch(batch).states)
  if (states === null) return
  const claimed = (await redis.smembers(keys.batch(batch).claimed)).map(Number)
  const without = claimed.filter((index) => stateAt(states, index) === itemState.open)
  if (without.length > 0) await feedAgain(parts, batch, round, without)
}
