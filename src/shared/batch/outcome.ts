import type { ItemOutcome, LogEntry, ResultError, ResultResponse, StoredResultLine } from '../contract/result.ts'
import { formatUsd } from '../money/usd.ts'

/** An item's outcome as the worker knows it; calls and cost are added by `settle.lua`, which has counted them. */
export interface Outcome {
  readonly id: string
  readonly custom_id: string
  readonly status: ItemOutcome
  readonly response: ResultResponse | null
  readonly error: ResultError | null
}

/** The stored line of an outcome as Redis holds it: `round calls cost_nano log json`, cost `-` where unknown. */
export function parseOutcome(text: string): StoredResultLine {
  const [round, calls, cost, log = '[]'] = text.split(' ', 4)
  const outcome = JSON.parse(text.slice(text.indexOf('] {') + 2)) as Outcome
  return {
    ...outcome,
    attempts: Number(calls),
    cost_usd: cost === undefined || cost === '-' ? null : formatUsd(Number(cost)),
    round: Number(round),
    attempt_log: JSON.parse(log) as LogEntry[],
  }
}

/** How an item ends that was not made before its batch closed. */
export function closedOutcome(id: string, customId: string, closing: 'cancelled' | 'expired'): Outcome {
  const code = closing === 'cancelled' ? 'batch_cancelled' : 'batch_expired'
  const message =
    closing === 'cancelled'
      ? 'The batch was cancelled before this image was made.'
      : 'The completion window of the batch ended before this image was made.'
  return {
    id,
    custom_id: customId,
    status: closing,
    response: null,
    error: { code, message, retryable: true, provider_code: null, provider_status: null },
  }
}
