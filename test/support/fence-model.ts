import type { Booking } from '../../src/shared/batch/put-back.ts'
import type { ItemOutcome } from '../../src/shared/contract/result.ts'
import {
  claimedOf,
  isOpen,
  mayFeed,
  nothingOpen,
  untried,
  type Model,
  type ModelBatch,
  type ModelFence,
  type ModelTries,
} from './batch-model.ts'

/** The part of the model that attempts move: claims, calls, and what they come to. */

export interface ModelHold {
  readonly process: string
  readonly attempt: string
  readonly batch: string
  readonly index: number
  readonly round: number
  readonly stem: string
}

const makes: ReadonlySet<ItemOutcome> = new Set(['succeeded', 'reused'])

function triesOf(batch: ModelBatch, index: number): ModelTries {
  return { ...(batch.tries.get(index) ?? untried) }
}

function book(batch: ModelBatch, tries: ModelTries, what: Partial<Booking>): void {
  const { calls = 0, unknown = 0, bad = 0, costNano = 0 } = what
  tries.calls += calls
  tries.unknown += unknown
  tries.bad += bad
  tries.costNano += costNano
  batch.calls += calls
  batch.indeterminate += unknown
  batch.costNano += costNano
}

function release(batch: ModelBatch | undefined, fence: ModelFence): void {
  if (!fence.calling) return
  fence.calling = false
  if (batch !== undefined && batch.purse === fence.purse) batch.reservedNano -= fence.reservedNano
}

function heldBy({ fences }: Model, hold: ModelHold): ModelFence | undefined {
  const fence = fences.get(hold.stem)
  return fence !== undefined && fence.process === hold.process && fence.attempt === hold.attempt ? fence : undefined
}

/** Lets go of a key, but for an answer that is paid and still to be fetched. */
function letGo(model: Model, hold: ModelHold, fence: ModelFence, keepUrl: boolean): void {
  if (keepUrl && fence.url !== undefined) {
    fence.process = ''
    fence.attempt = ''
    return
  }
  model.fences.delete(hold.stem)
  claimedOf(model, hold.batch).delete(hold.index)
}

/** A dead attempt's call is spent, and nobody knows what came of it. */
function bookDead(model: Model, stem: string, fence: ModelFence): void {
  const batch = model.batches.get(fence.batch)
  if (fence.calling && batch !== undefined) {
    release(batch, fence)
    const tries = triesOf(batch, fence.index)
    book(batch, tries, { calls: 1, unknown: 1, costNano: fence.reservedNano })
    if (isOpen(batch, fence.index)) {
      batch.tries.set(fence.index, tries)
      if (batch.states[fence.index] === 'in_progress') batch.states[fence.index] = 'fed'
    }
  }
  claimedOf(model, fence.batch).delete(fence.index)
  model.fences.delete(stem)
}

/** An answer that is paid, for an item whose job comes again for it. */
function isFetched({ batches }: Model, { batch, index, round, url }: ModelFence): boolean {
  const state = batches.get(batch)?.states[index]
  return url !== undefined && batches.get(batch)?.round === round && (state === 'fed' || state === 'in_progress')
}

export type ModelClaim =
  | { readonly kind: 'no_batch' | 'settled' | 'paused' | 'held' }
  | { readonly kind: 'claimed'; readonly tries: ModelTries; readonly url: string | undefined }

export function claim(model: Model, hold: ModelHold, runs: (attempt: string) => boolean): ModelClaim {
  const batch = model.batches.get(hold.batch)
  if (batch === undefined) return { kind: 'no_batch' }
  const fence = model.fences.get(hold.stem)
  const ofThisItem = fence?.batch === hold.batch && fence.index === hold.index
  const ofAnother = fence !== undefined && fence.process !== hold.process && !model.alive.has(fence.process)
  if (batch.round !== hold.round || !isOpen(batch, hold.index)) {
    if (fence?.calling === true && ofThisItem && batch.round === hold.round && ofAnother)
      bookDead(model, hold.stem, fence)
    return { kind: 'settled' }
  }
  const toFetch = ofThisItem && fence.url !== undefined
  if (batch.closing === undefined && !toFetch) {
    if (batch.paused || (batch.overBudgetNano !== undefined && fence === undefined)) return { kind: 'paused' }
  }
  if (fence !== undefined && (fence.process !== '' || !ofThisItem)) {
    const dead = fence.process === '' || ofAnother || (fence.process === hold.process && !runs(fence.attempt))
    if (!dead) return { kind: 'held' }
    if (!ofThisItem && isFetched(model, fence)) {
      Object.assign(fence, { process: '', attempt: '' })
      return { kind: 'held' }
    }
    bookDead(model, hold.stem, fence)
    if (!ofThisItem) return claim(model, hold, runs)
  }
  if (batch.states[hold.index] === 'in_progress') batch.states[hold.index] = 'fed'
  const url = toFetch ? fence.url : undefined
  const { process, attempt, batch: id, index, round } = hold
  const taken = { process, attempt, batch: id, index, round, calling: false, reservedNano: 0, purse: undefined, url }
  model.fences.set(hold.stem, taken)
  claimedOf(model, id).add(index)
  return { kind: 'claimed', tries: triesOf(batch, index), url }
}

export type ModelGrant = 'granted' | 'lost' | 'no_batch' | 'settled' | 'paused' | 'closing' | 'over_budget'

export function grant(model: Model, hold: ModelHold, priceNano: number): ModelGrant {
  const batch = model.batches.get(hold.batch)
  if (batch === undefined) return 'no_batch'
  if (batch.round !== hold.round || !isOpen(batch, hold.index)) return 'settled'
  const fence = heldBy(model, hold)
  if (fence === undefined) return 'lost'
  if (batch.closing !== undefined) return 'closing'
  if (batch.paused) return 'paused'
  release(batch, fence)
  const { budgetNano = Infinity, costNano, reservedNano } = batch
  if (costNano + reservedNano + priceNano > budgetNano) return 'over_budget'
  batch.reservedNano += priceNano
  Object.assign(fence, { calling: true, reservedNano: priceNano, purse: batch.purse })
  batch.states[hold.index] = 'in_progress'
  return 'granted'
}

export function recordAnswer(model: Model, hold: ModelHold, url: string | undefined): 'booked' | 'again' | 'lost' {
  const fence = heldBy(model, hold)
  if (fence === undefined) return 'lost'
  if (!fence.calling) return 'again'
  const batch = model.batches.get(hold.batch)
  release(batch, fence)
  if (url !== undefined) fence.url = url
  if (batch === undefined) return 'booked'
  const tries = triesOf(batch, hold.index)
  book(batch, tries, { calls: 1, costNano: fence.reservedNano })
  tries.answered += 1
  if (isOpen(batch, hold.index)) batch.tries.set(hold.index, tries)
  return 'booked'
}

export function putBack(model: Model, hold: ModelHold, booking: Booking, keepUrl: boolean): void {
  const fence = heldBy(model, hold)
  if (fence === undefined) return
  const batch = model.batches.get(hold.batch)
  release(batch, fence)
  letGo(model, hold, fence, keepUrl)
  if (batch === undefined) return
  const tries = triesOf(batch, hold.index)
  book(batch, tries, booking)
  if (!isOpen(batch, hold.index)) return
  tries.suspected += booking.suspected
  if (Object.values(tries).some((count) => count > 0)) batch.tries.set(hold.index, tries)
  if (batch.states[hold.index] === 'in_progress') batch.states[hold.index] = 'fed'
}

export function handBack(
  model: Model,
  hold: ModelHold,
  why: { readonly claimed: boolean; readonly overBudgetNano?: number | undefined },
): 'back' | 'in_turn' | 'lost' {
  const fence = heldBy(model, hold)
  if (why.claimed && fence === undefined) return 'lost'
  const batch = model.batches.get(hold.batch)
  if (batch === undefined) return 'back'
  if (why.claimed && fence !== undefined) {
    release(batch, fence)
    letGo(model, hold, fence, true)
  }
  if (isOpen(batch, hold.index)) batch.states[hold.index] = 'open'
  if (why.overBudgetNano !== undefined) batch.overBudgetNano ??= why.overBudgetNano
  return mayFeed(batch) ? 'in_turn' : 'back'
}

export interface ModelSettlement {
  readonly status: ItemOutcome
  readonly booking: Booking
  /** The object at the key was made by this item, and cost at least so much. */
  readonly ownObjectCostNano: number | undefined
}

export function settle(
  model: Model,
  hold: ModelHold,
  { status, booking, ownObjectCostNano }: ModelSettlement,
): 'settled' | 'already' | 'stale' | 'no_batch' {
  const batch = model.batches.get(hold.batch)
  if (batch === undefined) return 'no_batch'
  if (batch.round !== hold.round) return 'stale'
  const fence = heldBy(model, hold)
  const open = isOpen(batch, hold.index)
  if (open && !makes.has(status) && fence === undefined) return 'stale'
  const tries = triesOf(batch, hold.index)
  if (fence !== undefined) {
    release(batch, fence)
    book(batch, tries, booking)
    letGo(model, hold, fence, false)
  }
  batch.tries.delete(hold.index)
  if (!open) return 'already'
  if (ownObjectCostNano !== undefined) {
    // A call that nobody knew the outcome of has made it, where no answer that was booked explains it.
    if (tries.unknown > 0 && (fence === undefined || tries.answered <= tries.bad)) {
      tries.unknown -= 1
      batch.indeterminate -= 1
    }
    const missingNano = Math.max(0, ownObjectCostNano - tries.costNano)
    book(batch, tries, { calls: tries.calls === 0 ? 1 : 0, costNano: missingNano })
  }
  if (status === 'succeeded') batch.images += 1
  batch.states[hold.index] = status
  batch.outcomes.set(hold.index, { round: hold.round, status, calls: tries.calls, costNano: tries.costNano })
  if (nothingOpen(batch)) batch.status = 'finalizing'
  return 'settled'
}

/** The heartbeat puts the fence of a running attempt back, where nobody holds the key. */
export function restoreFence(
  model: Model,
  hold: ModelHold,
  what: { readonly calling: boolean; readonly reservedNano: number; readonly url: string | undefined },
): void {
  const batch = model.batches.get(hold.batch)
  if (model.fences.has(hold.stem)) return
  if (batch !== undefined && (batch.round !== hold.round || !isOpen(batch, hold.index))) return
  const { process, attempt, batch: id, index, round } = hold
  model.fences.set(hold.stem, { process, attempt, batch: id, index, round, purse: undefined, ...what })
  const fence = model.fences.get(hold.stem)
  // Whatever the budget: the call is under way.
  if (what.calling && batch !== undefined && fence !== undefined) {
    batch.reservedNano += what.reservedNano
    fence.purse = batch.purse
  }
  claimedOf(model, id).add(index)
}
