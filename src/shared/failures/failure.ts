/** What a failure means for the work, and so what happens next (docs/architecture.md, "Failures"). */
export type FailureClass =
  | 'permanent' // the item is wrong: settle as failed, never retry
  | 'transient' // not charged: retry with backoff
  | 'not_sent' // the request never left: retry with backoff, uses up no attempt
  | 'bad_output' // paid, and what came cannot be used: at most one more paid call
  | 'unknown_outcome' // the call may have been charged: RETRY_UNKNOWN decides
  | 'throttled' // 429: wait, no attempt used
  | 'provider_closed' // key revoked, out of credit: nobody calls until it heals
  | 'provider_suspect' // a 403 that says nothing of content: the lane closes if a second item confirms it
  | 'storage_closed' // S3 denied or away: bytes are kept, nobody calls
  | 'engine_away' // Redis is away or was replaced: nothing is known, nothing is done

/** The error codes that a result line can carry (docs/api.md, "Results"). */
export const errorCodes = [
  'invalid_request',
  'invalid_image',
  'content_moderated',
  'rate_limited',
  'provider_error',
  'provider_timeout',
  'upload_failed',
  'output_invalid',
  'budget_exceeded',
  'batch_expired',
  'batch_cancelled',
  'outcome_unknown',
] as const
export type ErrorCode = (typeof errorCodes)[number]

export interface FailureDetails {
  readonly class: FailureClass
  readonly code: ErrorCode
  /** One plain sentence for the shop: no secrets, no stack, at most 500 characters. */
  readonly message: string
  /** What the other side asks us to wait, if it said so. */
  readonly retryAfterMs?: number | undefined
  readonly providerStatus?: number | undefined
  readonly providerCode?: string | undefined
  readonly cause?: unknown
}

/** Every expected failure of the pipeline is one of these; anything else that is thrown is a bug. */
export class Failure extends Error {
  readonly class: FailureClass
  readonly code: ErrorCode
  readonly retryAfterMs: number | undefined
  readonly providerStatus: number | undefined
  readonly providerCode: string | undefined

  constructor(details: FailureDetails) {
    super(details.message, { cause: details.cause })
    this.name = 'Failure'
    this.class = details.class
    this.code = details.code
    this.retryAfterMs = details.retryAfterMs
    this.providerStatus = details.providerStatus
    this.providerCode = details.providerCode
  }
}
