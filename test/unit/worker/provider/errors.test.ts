import { describe, expect, it } from 'vitest'
import { classifyAnswer } from '../../../../src/worker/provider/errors.ts'
import type { ErrorCode, FailureClass } from '../../../../src/shared/failures/failure.ts'
import type { ProviderFailure } from '../../../../src/worker/provider/errors.ts'

const nowMs = 1_795_521_600_000

function classify(status: number, body: unknown, headers: Record<string, string> = {}): ProviderFailure {
  const text = typeof body === 'string' ? body : JSON.stringify(body)
  return classifyAnswer({ status, headers, body: Buffer.from(text), nowMs, apiKey: 'rc_live_secret' })
}

/** Runcrate's own shape. */
const error = (code: string, message = 'No.', type = 'invalid_request_error', param?: string): unknown => ({
  error: { message, type, code, param },
})

type Row = [row: string, status: number, body: unknown, failureClass: FailureClass, code: ErrorCode]

// Numbers tell causes apart, so that a fault of the table names its row.
const table: Row[] = [
  ['1 bad request', 400, error('missing_required_parameter'), 'permanent', 'invalid_request'],
  ['1 out of range', 422, error('validation_error'), 'permanent', 'invalid_request'],
  ['1 an image, by param', 422, error('validation_error', 'No.', '', 'input_images[2]'), 'permanent', 'invalid_image'],
  ['1 an image, by code', 400, error('invalid_image'), 'permanent', 'invalid_image'],
  ['1 an image, by message', 422, { detail: 'Could not decode the control_image' }, 'permanent', 'invalid_image'],
  ['1 not an image: the word alone', 422, { detail: 'n images out of range' }, 'permanent', 'invalid_request'],
  ['1 no body', 400, '', 'permanent', 'invalid_request'],
  ['2 moderated input, by code', 400, error('content_policy_violation'), 'permanent', 'content_moderated'],
  ['2 moderated input, OpenAI', 400, error('moderation_blocked'), 'permanent', 'content_moderated'],
  ['2 moderated input, BFL', 422, { message: 'Request Moderated' }, 'permanent', 'content_moderated'],
  ['2 moderated input, Ideogram', 422, { error: 'The prompt failed the safety checks' }, 'permanent', 'content_moderated'],
  ['2 legal reasons', 451, '', 'permanent', 'content_moderated'],
  ['3 moderated output, 4xx', 422, error('content_moderated'), 'permanent', 'content_moderated'],
  ['3 moderated output, 5xx', 500, { detail: 'All generated images contained NSFW content' }, 'permanent', 'content_moderated'],
  ['3 moderated output, 5xx code', 503, error('content_moderated'), 'permanent', 'content_moderated'],
  ['3 not moderated: its service is down', 503, { detail: 'Content moderated service unavailable' }, 'transient', 'provider_error'],
  ['3 not moderated: a page that has the word', 502, '<html>NSFW content moderated</html>', 'transient', 'provider_error'],
  ['4 a 403 about content, by code', 403, error('content_moderated'), 'permanent', 'content_moderated'],
  ['4 a 403 about content, Stability', 403, { name: 'content_moderation', message: 'blocked by our content moderation' }, 'permanent', 'content_moderated'],
  ['5 key refused', 401, error('invalid_api_key'), 'provider_closed', 'provider_error'],
  ['5 key refused, whatever it says', 401, { message: 'nsfw' }, 'provider_closed', 'provider_error'],
  ['5 key refused, no body', 401, '', 'provider_closed', 'provider_error'],
  ['6 out of credit', 402, error('insufficient_credits'), 'provider_closed', 'provider_error'],
  ['7 forbidden', 403, error('forbidden'), 'provider_suspect', 'invalid_request'],
  ['7 forbidden, no body', 403, '', 'provider_suspect', 'invalid_request'],
  ['7 forbidden, a page', 403, '<html>Access denied</html>', 'provider_suspect', 'invalid_request'],
  ['7 forbidden: an account, not content', 403, { message: 'Your account was flagged' }, 'provider_suspect', 'invalid_request'],
  ['8 unknown model', 404, error('model_not_found'), 'permanent', 'invalid_request'],
  ['8 a page', 404, '<html>nginx</html>', 'provider_suspect', 'provider_error'],
  ['8 nothing', 404, '', 'provider_suspect', 'provider_error'],
  ...[405, 406, 410, 413, 414, 415, 431, 418].map((status): Row => [`9 ${String(status)}`, status, '', 'permanent', 'invalid_request']),
  ['9 conflict', 409, '', 'transient', 'invalid_request'],
  ['10 timeout of theirs', 408, '', 'transient', 'provider_timeout'],
  ['10 too early', 425, '', 'transient', 'provider_timeout'],
  ['11 throttled', 429, error('rate_limited', 'Slow down', 'rate_limit_error'), 'throttled', 'rate_limited'],
  ['11 throttled, Replicate', 429, { detail: 'Request was throttled. Expected available in 1 second.' }, 'throttled', 'rate_limited'],
  ['11 throttled, no body', 429, '', 'throttled', 'rate_limited'],
  ['11 throttled: "quota" is no lack of money', 429, { message: 'Over your rate quota, content policy' }, 'throttled', 'rate_limited'],
  ['12 out of credit as 429', 429, error('insufficient_quota'), 'provider_closed', 'provider_error'],
  ['12 out of credit as 429, by type', 429, error('', 'x', 'insufficient_quota'), 'provider_closed', 'provider_error'],
  ['12 out of credit as 429, by message', 429, { detail: 'Insufficient credits.' }, 'provider_closed', 'provider_error'],
  ['13 server error', 500, error('server_error', 'Oops', 'server_error'), 'transient', 'provider_error'],
  ['13 server error, no body', 500, '', 'transient', 'provider_error'],
  ...[502, 503, 520, 521, 522, 523, 525, 526, 529].map((status): Row => [`14 ${String(status)}`, status, '<html>', 'transient', 'provider_error']),
  ['14 504', 504, '<html>', 'unknown_outcome', 'outcome_unknown'],
  ['14 524', 524, '', 'unknown_outcome', 'outcome_unknown'],
  ['17 not JSON', 200, '<html>ok</html>', 'bad_output', 'output_invalid'],
  ['17 nothing', 200, '', 'bad_output', 'output_invalid'],
  ['17 cut JSON', 200, '{"data":[{"url":"htt', 'bad_output', 'output_invalid'],
  ['17 no data', 200, { created: 1 }, 'bad_output', 'output_invalid'],
  ['17 empty data', 200, { data: [], error: null }, 'bad_output', 'output_invalid'],
  ['17 both null', 200, { data: [{ url: null, b64_json: null }] }, 'bad_output', 'output_invalid'],
  ['17a out of credit in a 200', 200, error('insufficient_credits'), 'provider_closed', 'provider_error'],
  ['17a key refused in a 200', 200, error('invalid_api_key'), 'provider_closed', 'provider_error'],
  ['17a moderated in a 200', 200, error('content_policy_violation'), 'permanent', 'content_moderated'],
  ['17a moderated in a 200, by message', 200, { error: 'Content Moderated' }, 'permanent', 'content_moderated'],
  ['17a throttled in a 200', 200, error('rate_limited'), 'throttled', 'rate_limited'],
  ['17a forbidden in a 200', 200, error('forbidden'), 'provider_suspect', 'invalid_request'],
  ['17a by its type', 200, error('x', 'No.', 'validation_error'), 'permanent', 'invalid_request'],
  ['17a no known code', 200, error('x', 'No.', 'y'), 'transient', 'provider_error'],
  ['17a a sentence', 200, { error: 'something broke' }, 'transient', 'provider_error'],
  ['23 a redirect', 301, '', 'provider_suspect', 'provider_error'],
  ['23 a redirect that keeps the method', 307, '', 'provider_suspect', 'provider_error'],
] // prettier-ignore

describe('classifyAnswer', () => {
  it.each(table)('row %s: %i', (_row, status, body, failureClass, code) => {
    const failure = classify(status, body)
    expect({ class: failure.class, code: failure.code }).toEqual({ class: failureClass, code })
    expect(failure.providerStatus).toBe(status)
    expect(failure.message.length).toBeGreaterThan(10)
  })

  it.each([
    ['Runcrate', { error: { message: 'too wide', code: 'validation_error' } }, 'validation_error'],
    ['a sentence', { error: 'too wide' }, undefined],
    ['message and code', { message: 'too wide', code: 'E7' }, 'E7'],
    ['detail', { detail: 'too wide' }, undefined],
    ['FastAPI', { detail: [{ loc: ['body', 'width'], msg: 'too wide', type: 'value_error' }] }, 'value_error'],
    ['plain text', 'too wide', undefined],
    ['a code that is a number', { error: { message: 'too wide', code: 17 } }, '17'],
  ])('keeps code and message of the shape: %s', (_shape, body, code) => {
    const failure = classify(422, body)
    expect(failure.message).toBe('The provider answered 422: too wide')
    expect(failure.providerCode).toBe(code)
  })

  it('shows no page, no key and no more than 500 characters', () => {
    expect(classify(502, '<html>secret</html>').message).toBe('The provider answered 502')
    expect(classify(401, error('invalid_api_key', 'Bad key rc_live_secret')).message).not.toContain('rc_live')
    expect(classify(400, error('x', 'long '.repeat(400))).message.length).toBeLessThanOrEqual(500)
  })

  it('lets no message turn a stop into a retry', () => {
    const tempting = 'Service unavailable, please try again: timeout, rate limit exceeded'
    for (const status of [400, 404, 413, 422]) {
      expect(classify(status, { error: { message: tempting } }).class).toBe('permanent')
    }
  })

  it('carries what the headers say about the rate, on any status', () => {
    const headers = { 'x-ratelimit-limit': '120', 'x-ratelimit-remaining': '7', 'retry-after': '4' }
    const failure = classify(503, '', headers)
    expect(failure.pace).toEqual({ limit: 120, remaining: 7, retryAfterMs: 4_000 })
    expect(failure.retryAfterMs).toBe(4_000)
  })

  it('waits after a 429 for the longest of Retry-After, the reset and a second, and at most two minutes', () => {
    const resetIn = (s: number): Record<string, string> => ({ 'x-ratelimit-reset': String(nowMs / 1000 + s) })
    expect(classify(429, '').retryAfterMs).toBe(1_000)
    expect(classify(429, '', { 'retry-after': '0' }).retryAfterMs).toBe(1_000)
    expect(classify(429, '', { 'retry-after': '5', ...resetIn(9) }).retryAfterMs).toBe(9_000)
    expect(classify(429, '', { 'retry-after': '12', ...resetIn(9) }).retryAfterMs).toBe(12_000)
    expect(classify(429, '', resetIn(3_600)).retryAfterMs).toBe(120_000)
  })

  it('does not wait for the reset of a window that has calls left', () => {
    const headers = { 'x-ratelimit-remaining': '100', 'x-ratelimit-reset': String(nowMs / 1000 + 50) }
    expect(classify(429, '', headers).retryAfterMs).toBe(1_000)
  })
})
