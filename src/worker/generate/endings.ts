import type { Closing } from '../../shared/batch/claim.ts'
import { closedOutcome, type Outcome } from '../../shared/batch/outcome.ts'
import { nothingToBook, putBack, type Booking } from '../../shared/batch/put-back.ts'
import type { LogEntry, OutputImage, ResultError } from '../../shared/contract/result.ts'
import type { Failure } from '../../shared/failures/failure.ts'
import { closeLane, noteAlive, noteSuspect, noteTransient } from '../../shared/lanes/lane.ts'
import { again, type Verdict } from '../../shared/queues/verdict.ts'
import { bookingOf, decide } from './decide.ts'
import type { Look } from './look.ts'
import type { GenerateParts, Work } from './work.ts'

/** The ways in which an attempt ends. */

/** A step failed: books what the call came to, tells the lane, and settles or gives back, as `decide` says. */
export async function fail(
  parts: GenerateParts,
  work: Work,
  failure: Failure,
  call: { sent: boolean; probe: boolean; entry: LogEntry | undefined },
): Promise<Verdict> {
  const booking = bookingOf(failure, { ...call, priceNano: work.job.item.price_nano ?? 0 })
  const suspicion = await tellLane(parts, work.item, failure, call.sent)
  const decision = decide(failure, work.tries, booking, work.policy, suspicion, parts.random.number())
  parts.log.debug({ item: work.item, class: failure.class, decision: decision.kind, err: failure }, 'a step failed')
  if (decision.kind === 'settle') return await settleFailed(parts, work, decision.error, booking, call.entry)
  await putBack(parts.redis, parts.keys, work.attempt.hold, booking, false, call.entry)
  return again(decision.afterMs)
}

/** What a failure says of the provider as a whole. */
async function tellLane(
  { redis, keys }: GenerateParts,
  item: string,
  failure: Failure,
  sent: boolean,
): Promise<'first' | 'same' | 'closed' | undefined> {
  switch (failure.class) {
    case 'provider_closed':
      await closeLane(redis, keys, 'provider', 'provider_auth', failure.message)
      return undefined
    case 'provider_suspect':
      return await noteSuspect(redis, keys, item, failure.message)
    // A provider that only hangs is as down as one that answers 500: nobody should pay to find out.
    case 'unknown_outcome':
    case 'transient':
    case 'not_sent':
      if (sent) await noteTransient(redis, keys, failure.message)
      return undefined
    case 'permanent':
    case 'bad_output':
    case 'throttled':
      if (sent) await noteAlive(redis, keys)
      return undefined
    case 'storage_closed':
    case 'engine_away':
      return undefined
  }
}

/** The output stands: the item succeeded, or is another's and reused. */
export async function settleFound(
  parts: GenerateParts,
  work: Work,
  there: Look & { kind: 'there' },
  booking: Booking,
): Promise<Verdict> {
  const outcome: Outcome = {
    id: work.item,
    custom_id: work.job.item.custom_id,
    status: there.own ? 'succeeded' : 'reused',
    response: responseOf(work.item, there.image, parts.clock.now()),
    error: null,
  }
  return await parts.settle.settle(work.job, work.attempt.hold, {
    outcome,
    booking,
    ownObjectCostNano: there.own ? there.costNano : undefined,
  })
}

/** The item has failed for good, as far as this round goes. */
export async function settleFailed(
  parts: GenerateParts,
  work: Work,
  error: ResultError,
  booking: Booking,
  entry?: LogEntry,
): Promise<Verdict> {
  const outcome: Outcome = {
    id: work.item,
    custom_id: work.job.item.custom_id,
    status: 'failed',
    response: null,
    error,
  }
  return await parts.settle.settle(work.job, work.attempt.hold, {
    outcome,
    booking,
    entry,
    ownObjectCostNano: undefined,
  })
}

/** The batch closed before the item was made, and no call of it left an image. */
export async function settleClosed(parts: GenerateParts, work: Work, closing: Closing): Promise<Verdict> {
  const outcome = closedOutcome(work.item, work.job.item.custom_id, closing)
  return await parts.settle.settle(work.job, work.attempt.hold, {
    outcome,
    booking: nothingToBook,
    ownObjectCostNano: undefined,
  })
}

/** What a call came to, for the item's attempt log. */
export function entryOf(
  parts: Pick<GenerateParts, 'clock'>,
  what: string,
  status: number | undefined,
  durationMs: number,
): LogEntry {
  return {
    at: Math.floor(parts.clock.now() / 1000),
    class: what,
    status: status ?? null,
    duration_ms: Math.round(durationMs),
  }
}

/** Lets go of the item without an outcome; it comes again after `afterMs`. */
export async function giveBack(
  parts: GenerateParts,
  work: Work,
  booking: Booking,
  keepUrl: boolean,
  afterMs: number,
  error?: unknown,
): Promise<Verdict> {
  await putBack(parts.redis, parts.keys, work.attempt.hold, booking, keepUrl)
  if (error instanceof Error && !parts.stopping.aborted) throw error
  return again(afterMs)
}

/** The answer's body in OpenAI's shape, around the output. */
export function responseOf(item: string, image: OutputImage, nowMs: number): Outcome['response'] {
  return { status_code: 200, request_id: item, body: { created: Math.floor(nowMs / 1000), data: [image] } }
}
