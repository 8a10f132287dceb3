import type { ErrorCode } from '../failures/failure.ts'

/** How an item ends: exactly one of these. */
export type ItemOutcome = 'succeeded' | 'reused' | 'failed' | 'cancelled' | 'expired'

/** What an item is: its outcome, or where it stands before it has one. */
export const itemStatuses = [
  'queued',
  'in_progress',
  'succeeded',
  'reused',
  'failed',
  'cancelled',
  'expired',
] as const satisfies readonly (ItemOutcome | 'queued' | 'in_progress')[]
export type ItemStatus = (typeof itemStatuses)[number]

export interface OutputImage {
  /** Presigned when read; never stored. */
  url?: string
  s3_key: string
  sha256: string
  bytes: number
  width: number
  height: number
  content_type: string
  variants: never[]
}

export interface ResultError {
  code: ErrorCode
  message: string
  retryable: boolean
  provider_code: string | null
  provider_status: number | null
}

export interface ResultResponse {
  status_code: 200
  request_id: string
  body: { created: number; data: OutputImage[] }
}

/** One line of the results (docs/api.md, "Results"). The stored form holds `round` and no `url`. */
export interface ResultLine {
  id: string
  custom_id: string
  status: ItemOutcome
  response: ResultResponse | null
  error: ResultError | null
  attempts: number
  /** US dollars as a decimal string; null where the price is unknown. */
  cost_usd: string | null
}

/** What came of one call of an item. */
export interface LogEntry {
  /** Unix seconds. */
  readonly at: number
  /** `ok`, or the class of the failure. */
  readonly class: string
  /** The provider's status, where there was one. */
  readonly status: number | null
  readonly duration_ms: number
}

export interface StoredResultLine extends ResultLine {
  round: number
  /** What came of the item's calls, the last 20 of them. */
  attempt_log: LogEntry[]
}
