import { Failure } from '../../shared/failures/failure.ts'
import { asObject, parseObject } from './answer.ts'
import { paceWaitMsMax, readPace } from './pace.ts'
import { plainSentence } from './plain-sentence.ts'
import type { ErrorCode, FailureClass, FailureDetails } from '../../shared/failures/failure.ts'
import type { AnswerHeaders } from '../../shared/outbound/outbound-error.ts'
import type { PaceHints } from './pace.ts'

/** A failed call, with what its headers said about the rate: a 429 teaches the limit too. */
export class ProviderFailure extends Failure {
  readonly pace: PaceHints

  constructor(details: FailureDetails, pace: PaceHints) {
    super(details)
    this.name = 'ProviderFailure'
    this.pace = pace
  }
}

interface Verdict {
  readonly class: FailureClass
  readonly code: ErrorCode
}

const invalid: Verdict = { class: 'permanent', code: 'invalid_request' }
const moderated: Verdict = { class: 'permanent', code: 'content_moderated' }
const closed: Verdict = { class: 'provider_closed', code: 'provider_error' }
const suspect: Verdict = { class: 'provider_suspect', code: 'provider_error' }
const throttled: Verdict = { class: 'throttled', code: 'rate_limited' }
const faulty: Verdict = { class: 'transient', code: 'provider_error' }
const late: Verdict = { class: 'transient', code: 'provider_timeout' }
const unknown: Verdict = { class: 'unknown_outcome', code: 'outcome_unknown' }
const badOutput: Verdict = { class: 'bad_output', code: 'output_invalid' }

/** What a status means where nothing below says otherwise: docs/provider.md. */
const byStatus = new Map<number, Verdict>([
  [401, closed],
  [402, closed],
  // Should a second item get through, then it was this one that is refused, and not the key.
  [403, { class: 'provider_suspect', code: 'invalid_request' }],
  [408, late],
  // A conflict can pass by itself, and costs nothing.
  [409, { class: 'transient', code: 'invalid_request' }],
  [425, late],
  [429, throttled],
  [451, moderated],
  [504, unknown],
  [524, unknown],
])

function ofStatus(status: number): Verdict {
  const known = byStatus.get(status)
  if (known !== undefined) return known
  if (status >= 500) return faulty
  // We never POST to another host, and a shop's items are not wrong because the base URL is.
  return status < 400 ? suspect : invalid
}

/** The status that a code (or else a type) stands for, where it comes in a 200. */
const statusByCode = new Map<string, number>([
  ['invalid_api_key', 401],
  ['authentication_error', 401],
  ['unauthorized', 401],
  ['insufficient_credits', 402],
  ['insufficient_quota', 402],
  ['forbidden', 403],
  ['permission_error', 403],
  ['model_not_found', 404],
  ['not_found', 404],
  ['rate_limited', 429],
  ['rate_limit_exceeded', 429],
  ['rate_limit_error', 429],
  ['missing_required_parameter', 400],
  ['validation_error', 422],
  ['invalid_request_error', 400],
  ['server_error', 500],
])

const quotaCode = /^(insufficient_(quota|credits|funds|balance)|billing_hard_limit_reached)$/
const quotaMessage = /insufficient (quota|credits?|funds|balance)/i
const contentCode = /moderat|content_policy|content_filter|nsfw|safety/i
const contentMessage =
  /\bmoderated\b|by (the |our )?(content )?(moderation|safety)|\bnsfw\b|content[ _]polic(y|ies)|failed (the )?safety|safety (checks?|filters?|system)|inappropriate content/i
const outageMessage = /unavailable|timed? ?out|overload|try again/i
const imageField = /^(image|images|input_images?|control_image|mask)\b/
const imageMessage =
  /(invalid|corrupt|unsupported|undecodable|decode|download|fetch|load|read)\b.{0,40}\b(input|control)?[ _]?image/i

interface ErrorBody {
  /** False for HTML, plain text and nothing: who answered may not be the provider at all. */
  readonly isJson: boolean
  readonly message: string | undefined
  readonly code: string | undefined
  readonly type: string | undefined
  readonly param: string | undefined
}

/**
 * What an answer that holds no image means: by status, then the provider's code, then its type. Its message only picks a
 * label or turns a retry into a stop, never the reverse. `apiKey` is cut out of the message, should it be echoed.
 */
export function classifyAnswer(answer: {
  status: number
  headers: AnswerHeaders
  body: Buffer
  nowMs: number
  apiKey?: string
}): ProviderFailure {
  const { status, headers, nowMs } = answer
  const error = readError(answer.body)
  const pace = readPace(headers, nowMs)
  const verdict = status >= 200 && status < 300 ? ofSuccess(answer.body, error) : ofError(status, error)
  const said = error.message === undefined ? '' : `: ${error.message}`
  const message =
    verdict.class === 'bad_output'
      ? `The provider answered ${String(status)} without an image that can be used.`
      : plainSentence(`The provider answered ${String(status)}${said}`, answer.apiKey)
  return new ProviderFailure(
    {
      ...verdict,
      message,
      retryAfterMs: waitMs(verdict, pace, nowMs),
      providerStatus: status,
      providerCode: (error.code ?? error.type)?.slice(0, 100),
    },
    pace,
  )
}

function ofError(status: number, error: ErrorBody): Verdict {
  const usual = ofStatus(status)
  if (usual.class === 'provider_closed') return usual
  if (status === 429) return isAboutQuota(error) ? closed : usual
  if (status < 400) return usual
  if (isAboutContent(status, error)) return moderated
  // A 404 that is no JSON comes from some other server: a wrong base URL, not a wrong item.
  if (status === 404 && !error.isJson) return suspect
  return usual.class === 'permanent' && isAboutImage(error) ? { class: 'permanent', code: 'invalid_image' } : usual
}

/** A 200 with an error inside is the error that it should have been; one with neither error nor image was paid. */
function ofSuccess(body: Buffer, error: ErrorBody): Verdict {
  const held = parseObject(body)?.error
  if (held === undefined || held === null) return badOutput
  const status = statusByCode.get(error.code ?? '') ?? statusByCode.get(error.type ?? '')
  if (status !== undefined) return ofError(status, error)
  return isAboutContent(500, error) ? moderated : faulty
}

function isAboutQuota(error: ErrorBody): boolean {
  const { code = '', type = '', message = '' } = error
  return quotaCode.test(code) || quotaCode.test(type) || quotaMessage.test(message)
}

function isAboutContent(status: number, error: ErrorBody): boolean {
  const { code = '', type = '', message = '' } = error
  if (contentCode.test(code) || contentCode.test(type)) return true
  // "Moderation service unavailable" is an outage, and worth a retry.
  return contentMessage.test(message) && !(status >= 500 && outageMessage.test(message))
}

function isAboutImage(error: ErrorBody): boolean {
  const { code = '', param = '', message = '' } = error
  return imageField.test(param) || /image/.test(code) || imageMessage.test(message)
}

function waitMs(verdict: Verdict, pace: PaceHints, nowMs: number): number | undefined {
  if (verdict.class !== 'throttled') return pace.retryAfterMs
  // Calls are left by their own count: then it is not the window that is full, and its end says nothing.
  const resetMs = (pace.remaining ?? 0) > 0 ? 0 : (pace.resetAtMs ?? nowMs) - nowMs
  return Math.min(Math.max(pace.retryAfterMs ?? 0, resetMs, 1_000), paceWaitMsMax)
}

/** Runcrate's `{ error: { message, type, code } }` and what upstreams are known to let through (docs/provider.md). */
function readError(body: Buffer): ErrorBody {
  const parsed = parseObject(body)
  if (parsed === undefined) {
    const plain = body.subarray(0, 2_000).toString('utf8').trim()
    const readable = plain !== '' && !plain.startsWith('<') && !plain.startsWith('{')
    return { isJson: false, message: readable ? plain : undefined, code: undefined, type: undefined, param: undefined }
  }
  const nested = asObject(parsed.error)
  const detail = Array.isArray(parsed.detail) ? asObject(parsed.detail[0]) : undefined
  const source = nested ?? detail ?? parsed
  return {
    isJson: true,
    message: text(source.message) ?? text(source.msg) ?? text(parsed.error) ?? text(parsed.detail),
    code: text(source.code),
    type: text(source.type),
    param: text(source.param),
  }
}

function text(value: unknown): string | undefined {
  if (typeof value === 'number') return String(value)
  return typeof value === 'string' && value !== '' ? value : undefined
}
