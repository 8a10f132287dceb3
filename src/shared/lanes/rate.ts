import { z } from 'zod'
import type { Redis } from '../redis/connect.ts'
import type { Keys } from '../redis/keys.ts'
import { defineScript } from '../redis/script.ts'
import type { Lane } from './lane.ts'

const lua = (name: string): URL => new URL(name, import.meta.url)

const slotScript = defineScript({
  file: lua('./slot.lua'),
  libraries: [lua('../batch/states.lua'), lua('./lane.lua'), lua('./rate.lua')],
  keys: ['rate', 'provider_lane', 'storage_lane'],
  args: ['want', 'ceiling', 'default_limit', 'share', 'lookahead_ms'],
  answer: z.array(z.string()),
})

const learnScript = defineScript({
  file: lua('./learn.lua'),
  libraries: [lua('./rate.lua')],
  keys: ['rate'],
  args: ['learned', 'hold_ms'],
  answer: z.string(),
})

/** Calls a minute until the provider says otherwise. */
export const unknownLimit = 60

/**
 * The share of the limit that is booked. Timers fire late and calls take differently long to arrive: a little is kept
 * back, so that the provider never counts more than its limit in any of its windows.
 */
const bookedShare = 0.985

/** How far ahead a slot may be booked; a closed lane or a 429 meanwhile costs no more than this. */
const lookaheadMs = 2000

export type Booked =
  | { readonly kind: 'slots'; readonly count: number; readonly waitMs: number; readonly intervalMs: number }
  | { readonly kind: 'later'; readonly waitMs: number }
  /** The lane is closed, and this caller is the one to try it. */
  | { readonly kind: 'probe'; readonly lane: Lane }
  | { readonly kind: 'closed'; readonly lane: Lane; readonly waitMs: number }

/** Books up to `want` slots of the provider's rate. `ceiling`: calls a minute as configured, 0 where unset. */
export async function bookSlots(redis: Redis, keys: Keys, want: number, ceiling: number): Promise<Booked> {
  const [kind, ...rest] = await slotScript(
    redis,
    { rate: keys.rate, provider_lane: keys.lane('provider'), storage_lane: keys.lane('storage') },
    { want, ceiling, default_limit: unknownLimit, share: bookedShare, lookahead_ms: lookaheadMs },
  )
  if (kind === 'slots') {
    const [count, waitUs, intervalUs] = rest.map(Number) as [number, number, number]
    return { kind, count, waitMs: waitUs / 1000, intervalMs: intervalUs / 1000 }
  }
  if (kind === 'later') return { kind, waitMs: Number(rest[0]) }
  if (kind === 'closed') return { kind, lane: rest[0] as Lane, waitMs: Number(rest[1]) }
  return { kind: 'probe', lane: kind === 'probe_storage' ? 'storage' : 'provider' }
}

/**
 * Takes over what the provider says: its limit in calls a minute (undefined: it did not say), and how long to hold all
 * calls after a 429 (0: there was none).
 */
export async function learnRate(redis: Redis, keys: Keys, limit: number | undefined, holdMs: number): Promise<void> {
  await learnScript(redis, { rate: keys.rate }, { learned: limit ?? 0, hold_ms: Math.ceil(holdMs) })
}

/** Calls a minute as learned from the provider, undefined where it never said. */
export async function learnedLimit(redis: Redis, keys: Keys): Promise<number | undefined> {
  const learned = Number((await redis.hget(keys.rate, 'learned')) ?? 0)
  return learned > 0 ? learned : undefined
}

/** Until when a 429 holds all calls, unix milliseconds by Redis' clock; in the past where none does. */
export async function heldUntilMs(redis: Redis, keys: Keys): Promise<number> {
  return Number((await redis.hget(keys.rate, 'held_until_us')) ?? 0) / 1000
}
