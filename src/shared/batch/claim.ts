import { z } from 'zod'
import type { Keys } from '../redis/keys.ts'
import type { Redis } from '../redis/connect.ts'
import { defineScript } from '../redis/script.ts'
import { type Hold, holdKeys } from './hold.ts'

const lua = (name: string): URL => new URL(name, import.meta.url)

const claimScript = defineScript({
  file: lua('./claim.lua'),
  libraries: [
    lua('./states.lua'),
    lua('./tries.lua'),
    lua('./epoch.lua'),
    lua('./fence.lua'),
    lua('./holder.lua'),
    lua('./budget.lua'),
  ],
  keys: ['epoch', 'fence', 'beats', 'live', 'states', 'tries', 'claimed'],
  args: ['run_id', 'process', 'attempt', 'batch', 'index', 'round', 'dead_attempt'],
  answer: z.array(z.string()),
})

const freeScript = defineScript({
  file: lua('./free-fence.lua'),
  libraries: [lua('./states.lua'), lua('./tries.lua'), lua('./holder.lua'), lua('./budget.lua')],
  keys: ['fence', 'beats', 'live', 'states', 'tries', 'claimed'],
  args: ['process', 'batch', 'index', 'dead_attempt'],
  answer: z.enum(['freed', 'held']),
})

/** What was called and spent for an item so far, as its fence's holder knows it. */
export interface Tries {
  /** Calls that were answered or may have been. */
  readonly calls: number
  /** Of these, calls whose outcome stayed unknown. */
  readonly unknown: number
  /** Of these, paid answers that could not be used. */
  readonly bad: number
  readonly costNano: number
  /** How often a bare 403 sent the item back. */
  readonly suspected: number
}

/** Why a batch closes before its items are made: how those that were not made end. */
export type Closing = 'cancelled' | 'expired'

export type Claim =
  | {
      readonly kind: 'claimed'
      readonly tries: Tries
      readonly url: string | undefined
      readonly closing: Closing | undefined
    }
  /** The batch is paused, or its budget has no room. */
  | { readonly kind: 'paused' }
  /** Somebody's call may still be under way. */
  | { readonly kind: 'held' }
  /** Redis does not have the batch: it ended, or Redis lost it. */
  | { readonly kind: 'no_batch' }
  | { readonly kind: 'settled' }
  /** Redis is being held against the ledger, or the living are given time to speak first. */
  | { readonly kind: 'wait'; readonly waitMs: number }

/**
 * Takes an item's output key for this attempt. `stillRuns` says whether an attempt of this very process is under way:
 * the heartbeat alone cannot tell.
 */
export async function claimItem(
  redis: Redis,
  keys: Keys,
  runId: string,
  hold: Hold,
  stillRuns: (attempt: string) => boolean,
): Promise<Claim> {
  let deadAttempt = ''
  // Each turn removes what stood in the way of the one before; a fence that keeps changing hands is simply held.
  for (let turn = 0; turn < 4; turn += 1) {
    const answer = await claimScript(
      redis,
      { epoch: keys.epoch, beats: keys.beats, ...holdKeys(keys, hold) },
      { ...args(hold), run_id: runId, batch: hold.batch, round: hold.round, dead_attempt: deadAttempt },
    )
    const [kind, first = '', second = ''] = answer
    if (kind === 'claimed') return claimed(answer)
    if (kind === 'no_batch' || kind === 'settled' || kind === 'paused') return { kind }
    if (kind === 'recovering') return { kind: 'wait', waitMs: 1000 }
    if (kind === 'quiet') return { kind: 'wait', waitMs: Number(first) }
    if (kind === 'held') {
      if (first !== hold.process || second === deadAttempt || stillRuns(second)) return { kind: 'held' }
      deadAttempt = second
    }
    if (kind === 'foreign') {
      const other = keys.batch(first)
      const freed = await freeScript(
        redis,
        {
          fence: keys.fence(hold.tenant, hold.stem),
          beats: keys.beats,
          live: other.live,
          states: other.states,
          tries: other.tries,
          claimed: other.claimed,
        },
        { process: hold.process, batch: first, index: second, dead_attempt: deadAttempt },
      )
      if (freed === 'held' && turn > 0) return { kind: 'held' }
    }
  }
  return { kind: 'held' }
}

function args(hold: Hold): { process: string; attempt: string; index: number } {
  return { process: hold.process, attempt: hold.attempt, index: hold.index }
}

function claimed(answer: readonly string[]): Claim {
  const [, calls, unknown, bad, cost, suspected, url = '', closing = ''] = answer
  return {
    kind: 'claimed',
    tries: {
      calls: Number(calls),
      unknown: Number(unknown),
      bad: Number(bad),
      costNano: Number(cost),
      suspected: Number(suspected),
    },
    url: url === '' ? undefined : url,
    closing: closing === '' ? undefined : (closing as Closing),
  }
}
