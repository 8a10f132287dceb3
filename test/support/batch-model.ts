import type { ItemState } from '../../src/shared/batch/states.ts'
import type { ItemOutcome } from '../../src/shared/contract/result.ts'

/** A plain model of what Redis holds of batches and fences: what each script must answer, and leave behind. */

export interface ModelTries {
  calls: number
  unknown: number
  bad: number
  costNano: number
  suspected: number
  answered: number
}

export interface ModelFence {
  process: string
  attempt: string
  batch: string
  index: number
  round: number
  calling: boolean
  reservedNano: number
  /** Which incarnation of its batch the reservation counts in. */
  purse: number | undefined
  url: string | undefined
}

export interface ModelBatch {
  readonly purse: number
  readonly round: number
  status: 'in_progress' | 'finalizing' | 'ended'
  readonly states: ItemState[]
  readonly tries: Map<number, ModelTries>
  /** Outcomes that are not in the ledger yet. */
  readonly outcomes: Map<number, ModelOutcome>
  calls: number
  indeterminate: number
  images: number
  costNano: number
  reservedNano: number
  budgetNano: number | undefined
  overBudgetNano: number | undefined
  controlVersion: number
  paused: boolean
  closing: 'cancelled' | 'expired' | undefined
  endsAs: 'completed' | 'cancelled' | 'expired' | undefined
}

export interface ModelOutcome {
  readonly round: number
  readonly status: ItemOutcome
  readonly calls: number
  readonly costNano: number
}

export interface Model {
  /** Those that Redis has. */
  readonly batches: Map<string, ModelBatch>
  /** By batch: items whose key an attempt has claimed. A fence may come back before its batch does. */
  readonly claimed: Map<string, Set<number>>
  /** By output stem. */
  readonly fences: Map<string, ModelFence>
  /** Processes whose lease has not run out. */
  readonly alive: Set<string>
}

const waiting: ReadonlySet<ItemState> = new Set(['open', 'fed', 'in_progress'])
export const untried: ModelTries = { calls: 0, unknown: 0, bad: 0, costNano: 0, suspected: 0, answered: 0 }

export function isOpen(batch: ModelBatch, index: number): boolean {
  return waiting.has(batch.states[index] ?? 'open')
}

export function countOf(batch: ModelBatch, state: ItemState): number {
  return batch.states.filter((one) => one === state).length
}

export function mayFeed(batch: ModelBatch): boolean {
  const { status, paused, overBudgetNano, closing } = batch
  return status === 'in_progress' && countOf(batch, 'open') > 0 && !paused && overBudgetNano === undefined && !closing
}

export function nothingOpen(batch: ModelBatch): boolean {
  return batch.states.every((state) => !waiting.has(state))
}

export function claimedOf({ claimed }: Model, batch: string): Set<number> {
  const indexes = claimed.get(batch) ?? new Set()
  claimed.set(batch, indexes)
  return indexes
}

export interface ModelControl {
  readonly version: number
  readonly paused: boolean
  readonly closing: 'cancelled' | 'expired' | undefined
  readonly budgetNano: number | undefined
}

export function applyControl(
  model: Model,
  id: string,
  control: ModelControl,
): 'applied' | 'already' | 'ended' | 'no_batch' {
  const batch = model.batches.get(id)
  if (batch === undefined) return 'no_batch'
  if (batch.controlVersion >= control.version) return 'already'
  if (batch.status === 'ended') return 'ended'
  if (control.closing !== undefined && batch.closing === undefined) {
    if (batch.endsAs !== undefined) return 'ended'
    batch.closing = control.closing
  }
  batch.controlVersion = control.version
  batch.paused = control.paused
  batch.budgetNano = control.budgetNano
  freeBudget(batch)
  return 'applied'
}

export function freeBudget(batch: ModelBatch): void {
  const { budgetNano = Infinity, costNano, reservedNano, overBudgetNano = 0 } = batch
  if (costNano + reservedNano + overBudgetNano <= budgetNano) batch.overBudgetNano = undefined
}

/** Closes what waits and is claimed by nobody; true where nothing is open any more. */
export function closeItems(model: Model, id: string): boolean {
  const batch = model.batches.get(id)
  if (batch?.status !== 'in_progress') return false
  for (const [index, state] of batch.states.entries()) {
    if (batch.closing === undefined || claimedOf(model, id).has(index)) continue
    if (state === 'open' || state === 'fed') batch.states[index] = batch.closing
  }
  if (!nothingOpen(batch)) return false
  batch.status = 'finalizing'
  return true
}
