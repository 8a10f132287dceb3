import type { ItemOutcome, ResultError, ResultResponse, StoredResultLine } from '../contract/result.ts'
import { formatUsd } from '../money/usd.ts'

/** An item's outcome as the worker knows it; calls and cost are added by `settle.lua`, which has counted them. */
export interface Outcome {
  readonly id: string
  readonly custom_id: string
  readonly status: ItemOutcome
  readonly response: ResultResponse | null
  readonly error: ResultError | null
}

/** The stored line of an outcome as Redis holds it: `round calls cost_nano json`, cost `-` where unknown. */
export function parseOutcome(text: string): StoredResultLine {
  const [round, calls, cost] = text.split(' ', 3)
  const outcome = JSON.parse(text.slice(text.indexOf('{'))) as Outcome
  return {
    ...outcome,
    attempts: Number(calls),
    cost_usd: cost === undefined || cost === '-' ? null : formatUsd(Number(cost)),
    round: Number(round),
  }
}
