import type { BlockedBy } from '../contract/batch-object.ts'
import { readLane } from '../lanes/lane.ts'
import { heldUntilMs } from '../lanes/rate.ts'
import { formatUsd } from '../money/usd.ts'
import type { Clock } from '../process/clock.ts'
import { generateQueue } from '../queues/jobs.ts'
import { waitingKey } from '../queues/open.ts'
import type { Redis } from '../redis/connect.ts'
import type { Keys } from '../redis/keys.ts'
import type { LiveBatch } from './live.ts'

/** A hold shorter than this is the ordinary pace. */
const heldMsMin = 3000

/** Why a batch does not move, since when, and what will happen next; null where it moves. */
export async function whyBlocked(
  { redis, keys, clock }: { redis: Redis; keys: Keys; clock: Clock },
  live: LiveBatch,
): Promise<BlockedBy | null> {
  if (live.status !== 'in_progress' || live.closing !== undefined) return null
  if (live.paused_at_ms !== undefined) {
    return blocked('paused', live.paused_at_ms, undefined, 'paused by a request; resume it to go on')
  }
  // While calls are under way it moves; what they come to may leave room for another.
  if (live.over_budget !== undefined && live.in_progress === 0) {
    const leftNano = Math.max(0, (live.budget_nano ?? 0) - live.cost_nano - live.reserved_nano)
    const detail = `the budget has ${formatUsd(leftNano)} left and a call costs ${formatUsd(live.over_budget)}; raise budget_usd to go on`
    return blocked('budget', live.over_budget_at_ms ?? live.created_at_ms, undefined, detail)
  }
  const nowMs = clock.now()
  const [storage, provider, workers, [runId, quietUntil], heldMs, waiting] = await Promise.all([
    readLane(redis, keys, 'storage'),
    readLane(redis, keys, 'provider'),
    redis.zrangebyscore(keys.beats, nowMs, '+inf', 'LIMIT', 0, 1),
    redis.hmget(keys.epoch, 'run_id', 'quiet_until_ms'),
    heldUntilMs(redis, keys),
    redis.llen(waitingKey(keys.prefix, generateQueue(live.priority))),
  ])
  for (const lane of [storage, provider]) {
    if (!lane.open && lane.reason !== undefined)
      return blocked(lane.reason, lane.sinceMs, lane.nextProbeMs, lane.detail)
  }
  if (workers.length === 0) {
    const detail = 'no worker process is running: start one with `cratework worker`'
    return blocked('no_workers', live.created_at_ms, undefined, detail)
  }
  if (runId === null || runId === undefined) {
    return blocked('recovering', nowMs, nowMs, 'Redis is being held against the ledger')
  }
  const quietUntilMs = Number(quietUntil ?? 0)
  if (quietUntilMs > nowMs) {
    const detail = 'Redis was brought back; workers that were calling before are given time to say so'
    return blocked('recovering', nowMs, quietUntilMs, detail)
  }
  if (heldMs - nowMs > heldMsMin) {
    return blocked('rate_limited', nowMs, heldMs, 'the provider asked all callers to wait')
  }
  // Where nothing waits on the queue, its turn comes at once.
  if (live.open > 0 && live.fed === 0 && live.in_progress === 0 && waiting > 0) {
    return blocked(
      'backlog',
      live.created_at_ms,
      undefined,
      'other batches of its priority have the places; its turn comes',
    )
  }
  return null
}

function blocked(reason: BlockedBy['reason'], sinceMs: number, nextMs: number | undefined, detail: string): BlockedBy {
  return {
    reason,
    since: Math.floor(sinceMs / 1000),
    next_attempt_at: nextMs === undefined ? null : Math.floor(nextMs / 1000),
    detail,
  }
}
