import { claimItem, type Closing, type Tries } from '../../shared/batch/claim.ts'
import { grantCall, type Grant } from '../../shared/batch/grant.ts'
import { handBack } from '../../shared/batch/hand-back.ts'
import { nothingToBook } from '../../shared/batch/put-back.ts'
import { recordAnswer } from '../../shared/batch/record-answer.ts'
import { itemId } from '../../shared/contract/ids.ts'
import type { LogEntry } from '../../shared/contract/result.ts'
import { Failure } from '../../shared/failures/failure.ts'
import type { GenerateJob } from '../../shared/queues/jobs.ts'
import { again, done, type Verdict } from '../../shared/queues/verdict.ts'
import type { OpenAttempt } from '../attempts.ts'
import type { Pace } from '../pace.ts'
import type { ProviderAnswer } from '../provider/client.ts'
import { ProviderFailure } from '../provider/errors.ts'
import type { Slot } from '../slots.ts'
import { checkImage, type CheckedImage } from './check.ts'
import { exhausted } from './decide.ts'
import { entryOf, fail, giveBack, settleClosed, settleFailed, settleFound } from './endings.ts'
import { lookForOutput, type Look, type Standing } from './look.ts'
import { receiveImage } from './receive.ts'
import { storeOutput } from './store-output.ts'
import { holdOf, wantedOf, type GenerateParts, type Work } from './work.ts'

/** A granted call is sent within this, or everything is given back: the grant may be out of date. */
const sendWithinMs = 1000
const heldAgainMs = 500
const bookAgainMs = 500

/**
 * Makes one item's image and settles it, or says what shall happen next: claim, look, slot, grant, send, receive,
 * check, store, settle. All the branches are here.
 */
export async function generateItem(parts: GenerateParts, job: GenerateJob): Promise<Verdict> {
  const attempt = parts.attempts.begin(holdOf(job))
  try {
    return await climb(parts, job, attempt)
  } catch (error) {
    if (error instanceof Failure && error.class === 'engine_away') return again(1000 * (1 + parts.random.number()))
    throw error
  } finally {
    parts.attempts.end(attempt)
  }
}

async function climb(parts: GenerateParts, job: GenerateJob, attempt: OpenAttempt): Promise<Verdict> {
  const { keys, epoch, attempts, random } = parts
  const claim = await epoch.guarded((redis, runId) =>
    claimItem(redis, keys, runId, attempt.hold, (other) => attempts.runs(other)),
  )
  switch (claim.kind) {
    case 'settled':
      return done
    case 'paused':
      return await giveToFeed(parts, attempt, { claimed: false })
    case 'held':
      return again(heldAgainMs * (1 + random.number()))
    case 'wait':
      // Redis may have been flushed under a connection that still stands.
      await epoch.check()
      return again(claim.waitMs + 500 * random.number())
    case 'no_batch':
      return (await parts.settle.hasEnded(job.batch, job.round)) ? done : again(2000 * (1 + random.number()))
    case 'claimed':
  }
  attempt.url = claim.url
  const work: Work = {
    job,
    item: itemId(job.batch, job.item.index),
    attempt,
    wanted: wantedOf(job),
    tries: claim.tries,
    policy: { maxAttempts: job.max_attempts, retryUnknown: parts.retryUnknown },
  }
  return await makeOrFind(parts, work, claim.closing)
}

async function makeOrFind(parts: GenerateParts, work: Work, closing: Closing | undefined): Promise<Verdict> {
  let look: Look
  try {
    look = await parts.storage.persist('read', () => lookForOutput(parts.store, work.wanted), parts.stopping)
  } catch (error) {
    return await giveBack(parts, work, nothingToBook, true, parts.stopping.aborted ? 0 : 1000, error)
  }
  if (look.kind === 'there') return await settleFound(parts, work, look, nothingToBook)
  if (work.attempt.url !== undefined) {
    const answered = { kind: 'url', url: work.attempt.url } as const
    return await keepImage(parts, work, answered, look.standing, work.tries)
  }
  if (closing !== undefined) return await settleClosed(parts, work, closing)
  const spent = exhausted(work.tries, work.policy)
  if (spent !== undefined) return await settleFailed(parts, work, spent, nothingToBook)
  return await payForImage(parts, work, look.standing)
}

/** The item's job ends; the feed makes a new one when the batch goes on. */
async function giveToFeed(
  parts: GenerateParts,
  { hold }: OpenAttempt,
  why: { claimed: boolean; overBudgetNano?: number },
): Promise<Verdict> {
  const back = await handBack(parts.redis, parts.keys, hold, { ...why, nowMs: parts.clock.now() })
  if (back === 'in_turn') parts.feedTrigger.ready(hold.priority, 0)
  return done
}

/** Slot, grant, call: the only way to a paid call. */
async function payForImage(parts: GenerateParts, work: Work, standing: Standing | undefined): Promise<Verdict> {
  const { keys, epoch, clock } = parts
  const { attempt, job } = work
  const watched = parts.batchWatch.watch(job.batch)
  let slot: Slot
  try {
    slot = await parts.slots.take(job.priority, AbortSignal.any([parts.stopping, watched.signal]))
  } catch {
    const why = watched.why()
    if (why === 'closing') return again(0)
    if (why !== undefined) return await giveToFeed(parts, attempt, { claimed: true })
    // This process stops; another one goes on.
    return await giveBack(parts, work, nothingToBook, false, 0)
  } finally {
    watched.end()
  }
  try {
    const priceNano = job.item.price_nano ?? 0
    const askedAt = clock.monotonic()
    let grant: Grant
    try {
      grant = await epoch.guarded((redis, runId) =>
        grantCall(redis, keys, runId, attempt.hold, { priceNano, probe: slot.probe }),
      )
    } catch {
      // The grant may have been given and its answer lost. Nothing was sent: that must not look like a call.
      return await giveBack(parts, work, nothingToBook, false, 1000)
    }
    if (grant === 'settled' || grant === 'lost') return again(0)
    if (grant === 'closing') return again(0)
    if (grant === 'paused' || grant === 'over_budget') {
      const why = grant === 'paused' ? { claimed: true } : { claimed: true, overBudgetNano: priceNano }
      return await giveToFeed(parts, attempt, why)
    }
    if (grant !== 'granted') return await giveBack(parts, work, nothingToBook, false, grant === 'wait' ? 1000 : 200)
    attempt.calling = true
    attempt.reservedNano = priceNano
    if (parts.stopping.aborted || clock.monotonic() - askedAt > sendWithinMs) {
      return await giveBack(parts, work, nothingToBook, false, 0)
    }
    parts.metrics.slot('taken', job.priority)
    return await call(parts, work, slot, standing, askedAt + sendWithinMs)
  } finally {
    slot.release()
  }
}

async function call(
  parts: GenerateParts,
  work: Work,
  slot: Slot,
  standing: Standing | undefined,
  sendBy: number,
): Promise<Verdict> {
  const { clock, provider } = parts
  const { item, model, prompt, parameters, extra } = { ...work.job.item, item: work.item }
  const sentAt = clock.monotonic()
  let answer: ProviderAnswer
  try {
    answer = await provider.generateImage({
      model,
      prompt,
      parameters,
      ...(extra === undefined ? {} : { extra }),
      // Another round is another wish: its first call must not be answered with that of the round before.
      idempotencyKey: `${item}-${String(work.job.round)}-${String(work.tries.calls + 1)}`,
      signal: parts.deadline,
      sendBy,
    })
  } catch (error) {
    const failure = toFailure(parts, error)
    parts.metrics.providerCall(failure.class, clock.monotonic() - sentAt)
    await notePace(parts, error instanceof ProviderFailure ? error.pace : {}, clock.monotonic() - sentAt, failure)
    const entry = entryOf(parts, failure.class, failure.providerStatus, clock.monotonic() - sentAt)
    return await fail(parts, work, failure, { sent: true, probe: slot.probe, entry })
  }
  const durationMs = clock.monotonic() - sentAt
  parts.metrics.providerCall('ok', durationMs)
  work.attempt.url = answer.image.kind === 'url' ? answer.image.url : undefined
  await bookAnswer(parts, work, entryOf(parts, 'ok', 200, durationMs))
  await notePace(parts, answer.pace, durationMs)
  const { calls, costNano } = work.tries
  const tries = { ...work.tries, calls: calls + 1, costNano: costNano + work.attempt.reservedNano }
  parts.metrics.paid(work.attempt.reservedNano)
  return await keepImage(parts, work, answer.image, standing, tries)
}

/**
 * Books the call as answered. Redis may be away: the image is paid for, so it is kept until that works, or stored
 * unbooked at the deadline, where it speaks for itself.
 */
async function bookAnswer(parts: GenerateParts, { attempt, item }: Work, entry: LogEntry): Promise<void> {
  while (attempt.calling && !parts.deadline.aborted) {
    try {
      // Where another attempt took over meanwhile it has booked this very call, and the image is still ours to keep.
      await recordAnswer(parts.redis, parts.keys, attempt.hold, attempt.url, entry)
      attempt.calling = false
    } catch (error) {
      parts.log.warn({ err: error, item }, 'a paid answer waits to be booked')
      await parts.clock.sleep(bookAgainMs, parts.deadline).catch(() => undefined)
    }
  }
}

/** What an answer says of the rate is worth no image: where Redis is away it is not noted. */
async function notePace(parts: GenerateParts, ...said: Parameters<Pace['note']>): Promise<void> {
  try {
    await parts.pace.note(...said)
  } catch (error) {
    parts.log.warn({ err: error }, "the provider's pace was not noted")
  }
}

/** From a paid answer to a stored output: bytes, check, upload. */
async function keepImage(
  parts: GenerateParts,
  work: Work,
  answered: ProviderAnswer['image'],
  standing: Standing | undefined,
  tries: Tries,
): Promise<Verdict> {
  const { job } = work
  let there: Look & { kind: 'there' }
  try {
    const image = await receiveChecked(parts, answered)
    const output = {
      ...image,
      wanted: work.wanted,
      batch: job.batch,
      cacheControl: job.cache_control,
      costNano: job.item.price_nano === null ? null : tries.costNano,
    }
    there = await parts.storage.persist('write', () => storeOutput(parts.store, output, standing), parts.deadline)
  } catch (error) {
    if (parts.deadline.aborted) return await giveBack(parts, work, nothingToBook, true, 0)
    return await fail(parts, { ...work, tries }, toFailure(parts, error), {
      sent: false,
      probe: false,
      entry: undefined,
    })
  }
  return await settleFound(parts, work, there, nothingToBook)
}

/** A link that gave something broken may give it whole the second time, which is free. */
async function receiveChecked(
  parts: GenerateParts,
  answered: ProviderAnswer['image'],
): Promise<{ bytes: Buffer; checked: CheckedImage }> {
  const bytes = await receiveImage(parts, answered, parts.deadline)
  try {
    return { bytes, checked: await checkImage(bytes) }
  } catch (error) {
    if (answered.kind === 'bytes') throw error
  }
  const second = await receiveImage(parts, answered, parts.deadline)
  return { bytes: second, checked: await checkImage(second) }
}

/** Our own failures pass; anything else is a bug, taken for transient so that it loses nothing, and told whole. */
function toFailure(parts: GenerateParts, error: unknown): Failure {
  if (error instanceof Failure) return error
  parts.log.error({ err: error }, 'an unexpected fault; the item is tried again')
  return new Failure({
    class: 'transient',
    code: 'provider_error',
    message: 'An unexpected fault in the worker; it is in its log.',
    cause: error,
  })
}
