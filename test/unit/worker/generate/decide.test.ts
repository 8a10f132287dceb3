import { describe, expect, it } from 'vitest'
import type { Tries } from '../../../../src/shared/batch/claim.ts'
import { nothingToBook } from '../../../../src/shared/batch/put-back.ts'
import {
  Failure,
  type ErrorCode,
  type FailureClass,
  type FailureDetails,
} from '../../../../src/shared/failures/failure.ts'
import { bookingOf, decide, exhausted, type Decision, type Policy } from '../../../../src/worker/generate/decide.ts'

const untried: Tries = { calls: 0, unknown: 0, bad: 0, costNano: 0, suspected: 0 }
const policy: Policy = { maxAttempts: 3, retryUnknown: true }
const priceNano = 3_000_000
const sent = { sent: true, probe: false, priceNano }

const codes: Record<FailureClass, ErrorCode> = {
  permanent: 'invalid_request',
  transient: 'provider_error',
  not_sent: 'provider_error',
  bad_output: 'output_invalid',
  unknown_outcome: 'provider_timeout',
  throttled: 'rate_limited',
  provider_closed: 'provider_error',
  provider_suspect: 'content_moderated',
  storage_closed: 'upload_failed',
  engine_away: 'provider_error',
}

function failure(failureClass: FailureClass, more: Partial<FailureDetails> = {}): Failure {
  return new Failure({ class: failureClass, code: codes[failureClass], message: 'It did not work.', ...more })
}

interface Situation {
  readonly before?: Partial<Tries>
  readonly policy?: Partial<Policy>
  readonly call?: Partial<typeof sent>
  readonly suspicion?: 'first' | 'same' | 'closed'
  readonly jitter?: number
  readonly retryAfterMs?: number
}

/** What a failure of a call that was sent leads to, as a worker asks it. */
function decided(failureClass: FailureClass, situation: Situation = {}): Decision {
  const { retryAfterMs } = situation
  const failed = failure(failureClass, { retryAfterMs })
  return decide(
    failed,
    { ...untried, ...situation.before },
    bookingOf(failed, { ...sent, ...situation.call }),
    { ...policy, ...situation.policy },
    situation.suspicion,
    situation.jitter ?? 0.5,
  )
}

/** A word for a decision: the error's code where it settles, else `again`. */
function word(decision: Decision): string {
  return decision.kind === 'settle' ? decision.error.code : 'again'
}

function waitOf(decision: Decision): number {
  if (decision.kind !== 'again') throw new Error('it was settled')
  return decision.afterMs
}

describe('what a call is booked as', () => {
  it.each<[FailureClass, object, Partial<typeof sent>?]>([
    ['permanent', { calls: 1 }],
    ['permanent', {}, { sent: false }],
    ['transient', { calls: 1 }],
    ['transient', {}, { sent: false }],
    // A try of a closed lane costs no attempt.
    ['transient', {}, { probe: true }],
    ['not_sent', {}],
    ['bad_output', { calls: 1, bad: 1, costNano: priceNano }],
    // The call itself was booked when it was answered.
    ['bad_output', { bad: 1 }, { sent: false }],
    ['unknown_outcome', { calls: 1, unknown: 1, costNano: priceNano }],
    // It may have been paid for, whoever asked for it.
    ['unknown_outcome', { calls: 1, unknown: 1, costNano: priceNano }, { probe: true }],
    ['throttled', {}],
    ['provider_closed', {}],
    ['provider_suspect', { suspected: 1 }],
    ['storage_closed', {}],
    ['engine_away', {}],
  ])('%s: %j (%j)', (failureClass, booked, call = {}) => {
    expect(bookingOf(failure(failureClass), { ...sent, ...call })).toEqual({ ...nothingToBook, ...booked })
  })
})

describe('a permanent failure', () => {
  it('settles at once, with what the provider said, and is no use to try again', () => {
    const failed = failure('permanent', { providerStatus: 422, providerCode: 'bad_size' })
    expect(decide(failed, untried, bookingOf(failed, sent), policy, undefined, 0)).toEqual({
      kind: 'settle',
      error: {
        code: 'invalid_request',
        message: 'It did not work.',
        retryable: false,
        provider_code: 'bad_size',
        provider_status: 422,
      },
    })
  })

  it('has null where the provider said nothing', () => {
    expect(decided('permanent')).toMatchObject({ error: { provider_code: null, provider_status: null } })
  })
})

describe('a transient failure', () => {
  it.each([
    [0, 3, 'again'],
    [1, 3, 'again'],
    [2, 3, 'provider_error'],
    [9, 3, 'provider_error'],
    [0, 1, 'provider_error'],
    [4, 6, 'again'],
    [5, 6, 'provider_error'],
  ])('after %i calls of %i: %s', (calls, maxAttempts, then) => {
    expect(word(decided('transient', { before: { calls }, policy: { maxAttempts } }))).toBe(then)
  })

  it('may be tried again by hand', () => {
    expect(decided('transient', { policy: { maxAttempts: 1 } })).toMatchObject({ error: { retryable: true } })
  })

  it('waits anything up to 1 s, 2 s, 4 s, ... a minute', () => {
    const longest = [0, 1, 2, 3, 4, 5, 6, 7, 8].map((calls) =>
      waitOf(decided('transient', { before: { calls }, policy: { maxAttempts: 99 }, jitter: 0.999999 })),
    )
    expect(longest).toEqual([1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000, 60_000])
    expect(waitOf(decided('transient', { before: { calls: 2 }, policy: { maxAttempts: 99 }, jitter: 0 }))).toBe(0)
    expect(waitOf(decided('transient', { before: { calls: 2 }, policy: { maxAttempts: 99 }, jitter: 0.5 }))).toBe(2000)
  })

  it('of a probe uses up no attempt, however often', () => {
    const call = { probe: true }
    expect(word(decided('transient', { before: { calls: 2 }, call }))).toBe('again')
    expect(waitOf(decided('transient', { call, jitter: 0.999999 }))).toBe(1000)
  })

  it('waits as long as the provider asks, at least', () => {
    expect(waitOf(decided('transient', { retryAfterMs: 7000, jitter: 0 }))).toBe(7000)
    expect(waitOf(decided('transient', { retryAfterMs: 100, jitter: 0.5 }))).toBe(500)
  })
})

describe('a call that never left', () => {
  it('uses up no attempt', () => {
    expect(word(decided('not_sent', { before: { calls: 2 } }))).toBe('again')
    expect(waitOf(decided('not_sent', { jitter: 0.999999 }))).toBe(2000)
  })
})

describe('a bad output', () => {
  it.each([
    [{}, 'again'],
    [{ calls: 1 }, 'again'],
    // At most one more paid call.
    [{ calls: 1, bad: 1 }, 'output_invalid'],
    [{ calls: 1, unknown: 1 }, 'output_invalid'],
    [{ calls: 2 }, 'output_invalid'],
  ])('after %j: %s', (before, then) => {
    expect(word(decided('bad_output', { before }))).toBe(then)
  })

  it('found after the call was booked counts that call once', () => {
    const call = { sent: false }
    expect(word(decided('bad_output', { before: { calls: 1 }, call }))).toBe('again')
    expect(word(decided('bad_output', { before: { calls: 3 }, call }))).toBe('output_invalid')
    expect(word(decided('bad_output', { before: { calls: 2, bad: 1 }, call }))).toBe('output_invalid')
  })
})

describe('an unknown outcome', () => {
  it.each([
    [{}, {}, 'again'],
    [{ calls: 1 }, {}, 'again'],
    [{ calls: 1, unknown: 1 }, {}, 'outcome_unknown'],
    [{ calls: 1, bad: 1 }, {}, 'outcome_unknown'],
    [{ calls: 2 }, {}, 'outcome_unknown'],
    [{}, { maxAttempts: 1 }, 'outcome_unknown'],
    [{}, { retryUnknown: false }, 'outcome_unknown'],
    [{ calls: 1 }, { retryUnknown: false, maxAttempts: 9 }, 'outcome_unknown'],
  ])('after %j under %j: %s', (before, more, then) => {
    expect(word(decided('unknown_outcome', { before, policy: more }))).toBe(then)
  })
})

describe('a 429', () => {
  it('costs nothing, however often it comes', () => {
    for (const calls of [0, 2]) expect(word(decided('throttled', { before: { calls } }))).toBe('again')
    expect(bookingOf(failure('throttled'), sent)).toEqual(nothingToBook)
  })

  it('waits as the headers say, else a moment: the rate holds everybody back', () => {
    expect(waitOf(decided('throttled', { retryAfterMs: 20_000 }))).toBe(20_000)
    expect(waitOf(decided('throttled', { jitter: 0.999999 }))).toBe(1000)
  })
})

describe('a bare 403', () => {
  it.each([
    // Nobody else has been asked yet: the item goes back, and may be the only one there is.
    ['first', 0, 'again'],
    ['same', 1, 'again'],
    ['same', 4, 'again'],
    ['same', 5, 'content_moderated'],
    // Others were answered since: it is this item's own.
    ['first', 1, 'content_moderated'],
    // The lane is closed: every item is kept.
    ['closed', 0, 'again'],
    ['closed', 7, 'again'],
  ] as const)('%s, sent back %i times before: %s', (suspicion, suspected, then) => {
    expect(word(decided('provider_suspect', { before: { suspected }, suspicion }))).toBe(then)
  })

  it('is no use to try again when it is the item’s own, and uses up no attempt until then', () => {
    const last = decided('provider_suspect', { before: { suspected: 1 }, suspicion: 'first' })
    expect(last).toMatchObject({ error: { retryable: false } })
    expect(word(decided('provider_suspect', { before: { calls: 2 }, suspicion: 'first' }))).toBe('again')
  })

  it('waits longer each time', () => {
    const waits = [0, 1, 2, 3, 4].map((suspected) =>
      waitOf(decided('provider_suspect', { before: { suspected }, suspicion: 'same', jitter: 0.999999 })),
    )
    expect(waits).toEqual([2000, 4000, 8000, 16_000, 32_000])
  })
})

describe('what closes a lane, or takes the engine away', () => {
  it.each(['provider_closed', 'storage_closed', 'engine_away'] as const)(
    '%s keeps every item, and none comes again in a hurry',
    (failureClass) => {
      const spent = { calls: 99, unknown: 9, bad: 9 }
      expect(waitOf(decided(failureClass, { before: spent, policy: { retryUnknown: false }, jitter: 0 }))).toBe(1000)
      expect(waitOf(decided(failureClass, { before: spent, jitter: 0.999999 }))).toBe(2000)
    },
  )
})

describe('before another call', () => {
  it.each([
    [{}, {}, undefined],
    [{ calls: 2 }, {}, undefined],
    [{ calls: 3 }, {}, 'provider_error'],
    [{ calls: 1 }, { maxAttempts: 1 }, 'provider_error'],
    [{ calls: 1, unknown: 1 }, {}, undefined],
    [{ calls: 1, unknown: 1 }, { retryUnknown: false }, 'outcome_unknown'],
    [{ calls: 2, unknown: 2 }, {}, 'outcome_unknown'],
    [{ calls: 2, unknown: 1, bad: 1 }, {}, 'outcome_unknown'],
    [{ calls: 3, unknown: 1 }, {}, 'outcome_unknown'],
    [{ calls: 1, bad: 1 }, {}, undefined],
    [{ calls: 2, bad: 2 }, {}, 'output_invalid'],
    [{ suspected: 9 }, {}, undefined],
  ])('%j under %j: %s', (tries, more, code) => {
    const error = exhausted({ ...untried, ...tries }, { ...policy, ...more })
    expect(error?.code).toBe(code)
    if (error !== undefined) expect(error.retryable).toBe(true)
  })

  it('is exhausted after every failure that settles for want of calls, and after none that goes on', () => {
    for (const failureClass of ['transient', 'bad_output', 'unknown_outcome'] as const) {
      for (const calls of [0, 1, 2]) {
        for (const unknown of [0, 1]) {
          for (const retryUnknown of [true, false]) {
            if (unknown > calls || (unknown > 0 && !retryUnknown)) continue
            const before = { ...untried, calls, unknown }
            const failed = failure(failureClass)
            const booking = bookingOf(failed, sent)
            const under = { ...policy, retryUnknown }
            const decision = decide(failed, before, booking, under, undefined, 0)
            const after = {
              ...before,
              calls: before.calls + booking.calls,
              unknown: before.unknown + booking.unknown,
              bad: before.bad + booking.bad,
            }
            const what = [failureClass, before, under]
            expect([what, decision.kind === 'settle']).toEqual([what, exhausted(after, under) !== undefined])
          }
        }
      }
    }
  })
})
