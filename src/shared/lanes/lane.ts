import { z } from 'zod'
import type { Redis } from '../redis/connect.ts'
import type { Keys } from '../redis/keys.ts'
import { defineScript } from '../redis/script.ts'

const lua = (name: string): URL => new URL(name, import.meta.url)
const libraries = [lua('../batch/states.lua'), lua('./lane.lua')]

const closeScript = defineScript({
  file: lua('./close.lua'),
  libraries,
  keys: ['lane_key', 'events'],
  args: ['lane', 'reason', 'detail'],
  answer: z.number(),
})

const openScript = defineScript({
  file: lua('./open.lua'),
  libraries,
  keys: ['lane_key', 'events'],
  args: ['lane'],
  answer: z.number(),
})

const aliveScript = defineScript({
  file: lua('./alive.lua'),
  libraries,
  keys: ['lane_key', 'events'],
  args: ['lane'],
  answer: z.number(),
})

const transientScript = defineScript({
  file: lua('./transient.lua'),
  libraries,
  keys: ['lane_key', 'events'],
  args: ['lane', 'failures_max', 'detail'],
  answer: z.number(),
})

const suspectScript = defineScript({
  file: lua('./suspect.lua'),
  libraries,
  keys: ['lane_key', 'events'],
  args: ['lane', 'item', 'detail'],
  answer: z.enum(['first', 'same', 'closed']),
})

export type Lane = 'provider' | 'storage'
export type LaneReason = 'provider_down' | 'provider_auth' | 'storage_down'

export interface LaneState {
  readonly open: boolean
  readonly reason: LaneReason | undefined
  readonly detail: string
  readonly sinceMs: number
  readonly nextProbeMs: number
}

/** So many transient failures in a row over all workers mean that the provider is down (docs/architecture.md). */
const transientMax = 10

function laneKeys(keys: Keys, lane: Lane): { lane_key: string; events: string } {
  return { lane_key: keys.lane(lane), events: keys.events }
}

export async function readLane(redis: Redis, keys: Keys, lane: Lane): Promise<LaneState> {
  const fields = await redis.hgetall(keys.lane(lane))
  return {
    open: fields['state'] !== 'closed',
    reason: fields['reason'] as LaneReason | undefined,
    detail: fields['detail'] ?? '',
    sinceMs: Number(fields['since_ms'] ?? 0),
    nextProbeMs: Number(fields['next_probe_ms'] ?? 0),
  }
}

/** Closes a lane for all workers and tells of it once; true where this call did it. */
export async function closeLane(
  redis: Redis,
  keys: Keys,
  lane: Lane,
  reason: LaneReason,
  detail: string,
): Promise<boolean> {
  return (await closeScript(redis, laneKeys(keys, lane), { lane, reason, detail })) === 1
}

/** Opens a lane for all workers and tells of it once; true where this call did it. */
export async function openLane(redis: Redis, keys: Keys, lane: Lane): Promise<boolean> {
  return (await openScript(redis, laneKeys(keys, lane), { lane })) === 1
}

/** The provider works: it answered, though this one item came to nothing. */
export async function noteAlive(redis: Redis, keys: Keys): Promise<void> {
  await aliveScript(redis, laneKeys(keys, 'provider'), { lane: 'provider' })
}

/** Counts a transient failure of the provider; true where it was the one that closed the lane. */
export async function noteTransient(redis: Redis, keys: Keys, detail: string): Promise<boolean> {
  const answer = await transientScript(redis, laneKeys(keys, 'provider'), {
    lane: 'provider',
    failures_max: transientMax,
    detail,
  })
  return answer === 1
}

/** Notes a 403 that says nothing of content, for this item. */
export async function noteSuspect(
  redis: Redis,
  keys: Keys,
  item: string,
  detail: string,
): Promise<'first' | 'same' | 'closed'> {
  return await suspectScript(redis, laneKeys(keys, 'provider'), { lane: 'provider', item, detail })
}
