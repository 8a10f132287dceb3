import type { ResultError } from '../../shared/contract/result.ts'
import type { Tries } from '../../shared/batch/claim.ts'
import type { Booking } from '../../shared/batch/put-back.ts'
import { nothingToBook } from '../../shared/batch/put-back.ts'
import type { ErrorCode, Failure } from '../../shared/failures/failure.ts'

/** The one place that says what a failure leads to (docs/architecture.md). Pure. */

export interface Policy {
  /** Calls of one image that were answered or may have been. */
  readonly maxAttempts: number
  /** Whether an image whose call may have been charged is called once more. */
  readonly retryUnknown: boolean
}

/** At most so many calls of one image may end unknown or bad: both may have been paid. */
const spoiledMax = 2
/** So often a bare 403 sends the only item around back, before it is taken for the item's own. */
const suspectedMax = 5
const backoffBaseMs = 1000
const backoffMaxMs = 60_000

/** What the call that failed came to, where it was sent: `sent` false means that it is booked already, or never went. */
export function bookingOf(failure: Failure, call: { sent: boolean; probe: boolean; priceNano: number }): Booking {
  switch (failure.class) {
    case 'permanent':
      return { ...nothingToBook, calls: call.sent ? 1 : 0 }
    case 'transient':
      // A try of a closed lane costs no attempt.
      return { ...nothingToBook, calls: call.sent && !call.probe ? 1 : 0 }
    case 'bad_output':
      return call.sent ? { ...nothingToBook, calls: 1, bad: 1, costNano: call.priceNano } : { ...nothingToBook, bad: 1 }
    case 'unknown_outcome':
      return { ...nothingToBook, calls: 1, unknown: 1, costNano: call.priceNano }
    case 'provider_suspect':
      return { ...nothingToBook, suspected: 1 }
    case 'not_sent':
    case 'throttled':
    case 'provider_closed':
    case 'storage_closed':
    case 'engine_away':
      return nothingToBook
  }
}

export type Decision =
  { readonly kind: 'settle'; readonly error: ResultError } | { readonly kind: 'again'; readonly afterMs: number }

/**
 * What happens to an item after a failure. `before`: what was called before it; `suspicion`: what the lane says of a
 * bare 403; `jitter`: a number in [0, 1).
 */
export function decide(
  failure: Failure,
  before: Tries,
  booking: Booking,
  policy: Policy,
  suspicion: 'first' | 'same' | 'closed' | undefined,
  jitter: number,
): Decision {
  const calls = before.calls + booking.calls
  const spoiled = before.unknown + booking.unknown + before.bad + booking.bad
  const outOfCalls = calls >= policy.maxAttempts
  switch (failure.class) {
    case 'permanent':
      return settle(failure, false)
    case 'transient':
      return outOfCalls ? settle(failure, true) : again(failure, backoff(calls, jitter))
    case 'not_sent':
      return again(failure, backoff(2, jitter))
    case 'bad_output':
      return outOfCalls || spoiled >= spoiledMax ? settle(failure, true) : again(failure, backoff(1, jitter))
    case 'unknown_outcome':
      if (!policy.retryUnknown || outOfCalls || spoiled >= spoiledMax) return settle(failure, true, 'outcome_unknown')
      return again(failure, backoff(calls, jitter))
    case 'throttled':
      // The rate holds everybody back; the item only asks again.
      return again(failure, backoffBaseMs * jitter)
    case 'provider_suspect': {
      const othersWereAnswered = suspicion === 'first' && before.suspected > 0
      if (othersWereAnswered || (suspicion === 'same' && before.suspected >= suspectedMax))
        return settle(failure, false)
      return again(failure, backoff(before.suspected + 2, jitter))
    }
    case 'provider_closed':
    case 'storage_closed':
    case 'engine_away':
      return again(failure, backoffBaseMs * (1 + jitter))
  }
}

/** What was spent already decides before another call: an outcome that stayed unknown, or no calls left. */
export function exhausted(tries: Tries, policy: Policy): ResultError | undefined {
  const spoiled = tries.unknown + tries.bad
  if (tries.unknown > 0 && (!policy.retryUnknown || spoiled >= spoiledMax || tries.calls >= policy.maxAttempts)) {
    return resultError('outcome_unknown', 'A call for this image may have been charged, and its answer was lost.', true)
  }
  if (spoiled >= spoiledMax) return resultError('output_invalid', 'No usable image came of the paid calls.', true)
  if (tries.calls >= policy.maxAttempts) return resultError('provider_error', 'All attempts were used up.', true)
  return undefined
}

function settle(failure: Failure, retryable: boolean, code: ErrorCode = failure.code): Decision {
  return {
    kind: 'settle',
    error: {
      ...resultError(code, failure.message, retryable),
      provider_code: failure.providerCode ?? null,
      provider_status: failure.providerStatus ?? null,
    },
  }
}

function resultError(code: ErrorCode, message: string, retryable: boolean): ResultError {
  return { code, message, retryable, provider_code: null, provider_status: null }
}

function again(failure: Failure, afterMs: number): Decision {
  return { kind: 'again', afterMs: Math.ceil(Math.max(afterMs, failure.retryAfterMs ?? 0)) }
}

/** Full jitter: anything from nothing to 1 s, 2 s, 4 s, ... 60 s. */
function backoff(calls: number, jitter: number): number {
  return jitter * Math.min(backoffMaxMs, backoffBaseMs * 2 ** Math.max(0, calls - 1))
}
