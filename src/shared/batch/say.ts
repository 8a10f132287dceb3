import { changeControl, readControl, type Control } from '../ledger/control.ts'
import { rewriteListing } from '../ledger/listing.ts'
import { readManifest, type Manifest } from '../ledger/manifest.ts'
import { hasMarker, writeMarker } from '../ledger/markers.ts'
import { readSummary, type Summary } from '../ledger/summary.ts'
import { trigger, triggerFeed } from '../queues/enqueue.ts'
import type { Queues } from '../queues/open.ts'
import { applyControl, closingOf } from './apply-control.ts'
import { dropEarlierRound } from './drop.ts'
import { readLive } from './live.ts'
import { asLive, bringBack, knownOf } from './revive.ts'
import { unpricedModel } from './unpriced.ts'
import type { ViewParts } from './view.ts'

/** What people say of a batch: the ledger has it first, then Redis applies it, and only then it is answered. */

export interface SayParts extends ViewParts {
  readonly queues: Queues
}

export type Said =
  | { readonly kind: 'said'; readonly retried?: number }
  /** Unknown, or another tenant's. */
  | { readonly kind: 'unknown' }
  /** The batch is in no state for it; `why` goes on behind "The batch". */
  | { readonly kind: 'conflict'; readonly why: string }
  /** A budget cannot be held: the price of this model is not known. */
  | { readonly kind: 'unpriced'; readonly model: string }

type Verb = (control: Control, nowMs: number) => Control | undefined

export function pauseBatch(parts: SayParts, tenant: string, batch: string): Promise<Said> {
  return say(parts, tenant, batch, (control, nowMs) =>
    control.paused_at_ms === null ? { ...control, paused_at_ms: nowMs } : undefined,
  )
}

export function resumeBatch(parts: SayParts, tenant: string, batch: string): Promise<Said> {
  return say(parts, tenant, batch, (control) =>
    control.paused_at_ms === null ? undefined : { ...control, paused_at_ms: null },
  )
}

export interface Changes {
  readonly name?: string | undefined
  readonly metadata?: Readonly<Record<string, string>> | undefined
  readonly budgetNano?: number | undefined
}

/** Changes the name, the metadata (whole) or the budget of a live batch. */
export async function changeBatch(parts: SayParts, tenant: string, batch: string, changes: Changes): Promise<Said> {
  const manifest = await manifestOf(parts, tenant, batch)
  if (manifest === undefined) return { kind: 'unknown' }
  const { name, metadata, budgetNano } = changes
  // Where the batch came with a budget, all its prices are known.
  if (budgetNano !== undefined && manifest.options.budget_nano === null) {
    const model = await unpricedModel(parts.store, manifest)
    if (model !== undefined) return { kind: 'unpriced', model }
  }
  const given = {
    ...(name === undefined ? {} : { name }),
    ...(metadata === undefined ? {} : { metadata }),
    ...(budgetNano === undefined ? {} : { budget_nano: budgetNano }),
  }
  const nothing = Object.keys(given).length === 0
  return await sayOfLive(parts, manifest, (control) => (nothing ? undefined : { ...control, ...given }))
}

/** Nothing new is called from now on; what is in flight ends and is kept. A cancelled batch may be cancelled again. */
export async function cancelBatch(parts: SayParts, tenant: string, batch: string): Promise<Said> {
  const said = await say(parts, tenant, batch, (control, nowMs) =>
    control.cancelled_at_ms === null ? { ...control, cancelled_at_ms: nowMs } : undefined,
  )
  if (said.kind !== 'conflict') return said
  return (await readSummary(parts.store, batch))?.batch.status === 'cancelled' ? { kind: 'said' } : said
}

/** The completion window is over. Said by the sweep, with the same care as if a person had. */
export async function expireBatch(parts: SayParts, tenant: string, batch: string): Promise<Said> {
  return await say(parts, tenant, batch, (control, nowMs) =>
    control.expired_at_ms === null ? { ...control, expired_at_ms: nowMs } : undefined,
  )
}

async function manifestOf(parts: SayParts, tenant: string, batch: string): Promise<Manifest | undefined> {
  const manifest = await readManifest(parts.store, batch)
  return manifest?.tenant === tenant ? manifest : undefined
}

async function say(parts: SayParts, tenant: string, batch: string, verb: Verb): Promise<Said> {
  const manifest = await manifestOf(parts, tenant, batch)
  return manifest === undefined ? { kind: 'unknown' } : await sayOfLive(parts, manifest, verb)
}

/** Says something of a batch that has not ended: in the ledger first, then in Redis. */
async function sayOfLive(parts: SayParts, manifest: Manifest, verb: Verb): Promise<Said> {
  const { redis, keys, store, clock } = parts
  const { batch } = manifest
  const summary = await readSummary(store, batch)
  if (summary !== undefined && summary.round >= (await readControl(store, batch)).round) return ended(summary)
  // Whoever finds this knows that Redis may not have applied what the ledger says.
  const since = await notePending(parts, batch)
  const control = await changeControl(store, batch, (stands) => verb(stands, clock.now()))
  // Where Redis does not have the batch it comes back with this control, and stays on that list until it has.
  const applied = await applyControl(redis, keys, manifest, control, clock.now(), since)
  if (applied === 'ended') return ended(await readSummary(store, batch))
  if (closingOf(control).closing === undefined) await triggerFeed(parts.queues, manifest.options.priority)
  else await trigger(parts.queues, { v: 1, kind: 'close', batch })
  await trigger(parts.queues, { v: 1, kind: 'relay' })
  return { kind: 'said' }
}

function ended(summary: Summary | undefined): Said {
  return { kind: 'conflict', why: `has ended: it is ${summary?.batch.status ?? 'completed'}` }
}

/** Puts a batch on the list of those whose control is being written; gives the score that stands for this writing. */
async function notePending({ redis, keys, clock }: SayParts, batch: string): Promise<string> {
  const since = clock.now()
  await redis.zadd(keys.pendingControl, since, batch)
  return String(since)
}

/** What was said and, as far as the list shows, not applied within `afterMs`: the process that said it may be dead. */
export async function applyLeftControl(parts: SayParts, afterMs: number): Promise<void> {
  const { redis, keys, store, clock } = parts
  const left = await redis.zrangebyscore(keys.pendingControl, '-inf', clock.now() - afterMs, 'WITHSCORES')
  for (const [batch, since] of pairs(left)) {
    const manifest = await readManifest(store, batch)
    const control = await readControl(store, batch)
    if (manifest !== undefined) {
      await dropEarlierRound(redis, keys, manifest, control.round)
      if ((await applyControl(redis, keys, manifest, control, clock.now(), since)) !== 'no_batch') continue
      const summary = await readSummary(store, batch)
      if (summary === undefined || summary.round < control.round) continue // it comes back, and then it is applied
    }
    await redis.zrem(keys.pendingControl, batch)
  }
}

function pairs(flat: readonly string[]): [string, string][] {
  return Array.from({ length: flat.length / 2 }, (_, at) => [flat[2 * at] ?? '', flat[2 * at + 1] ?? ''])
}

/**
 * The failed items of a completed batch go round again: all, or those of certain codes. The round's marker is written
 * first: from the moment that the ledger says so, the retry happens, whatever becomes of this process or of Redis.
 */
export async function retryBatch(
  parts: SayParts,
  tenant: string,
  batch: string,
  codes: readonly string[] | undefined,
): Promise<Said> {
  const { redis, keys, store } = parts
  const manifest = await manifestOf(parts, tenant, batch)
  if (manifest === undefined) return { kind: 'unknown' }
  const [summary, before, live] = await Promise.all([
    readSummary(store, batch),
    readControl(store, batch),
    readLive(redis, keys, batch),
  ])
  // The summary stands a moment before the end is told.
  const hasEnded = summary !== undefined && summary.round >= before.round && (live?.status ?? 'ended') === 'ended'
  if (!hasEnded) return { kind: 'conflict', why: 'has not ended yet' }
  if (summary.batch.status !== 'completed') return { kind: 'conflict', why: `is ${summary.batch.status}` }
  if (summary.batch.request_counts.failed === 0) return { kind: 'said', retried: 0 }
  const next = { round: before.round + 1, retry_codes: codes === undefined ? null : [...new Set(codes)] }
  const known = await knownOf(store, manifest, { ...before, ...next })
  const retried = manifest.total - known.outcomes.size
  if (retried === 0) return { kind: 'said', retried }

  await notePending(parts, batch)
  await writeMarker(store, batch, next.round)
  const control = await changeControl(store, batch, (stands) =>
    stands.round === before.round
      ? { ...stands, ...next, paused_at_ms: null, cancelled_at_ms: null, expired_at_ms: null }
      : undefined,
  )
  if (control.round !== next.round || JSON.stringify(control.retry_codes) !== JSON.stringify(next.retry_codes)) {
    return { kind: 'conflict', why: 'has not ended yet' } // somebody else's retry was quicker
  }
  // The sweep may have taken the marker for one of a retry that never was said.
  await writeMarker(store, batch, next.round)
  await rewriteListing(store, tenant, asLive(summary.batch))
  if (await hasMarker(store, batch, before.round))
    await redis.sadd(keys.undelivered, `${batch}.${String(before.round)}`)
  await dropEarlierRound(redis, keys, manifest, control.round)
  await bringBack(parts, manifest, { ...known, control })
  await triggerFeed(parts.queues, manifest.options.priority)
  return { kind: 'said', retried }
}
