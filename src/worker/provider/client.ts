import { Agent } from 'undici'
import { exchange } from '../../shared/outbound/exchange.ts'
import { OutboundError } from '../../shared/outbound/outbound-error.ts'
import { classifyAnswer, ProviderFailure } from './errors.ts'
import { readPace } from './pace.ts'
import { imageOfAnswer } from './scan-answer.ts'
import type { ImageParameters } from '../../shared/contract/accepted.ts'
import type { AnswerHeaders } from '../../shared/outbound/outbound-error.ts'
import type { Clock } from '../../shared/process/clock.ts'
import type { AnsweredImage } from './answer.ts'
import type { PaceHints } from './pace.ts'

export interface ImageRequest {
  readonly model: string
  readonly prompt: string
  readonly parameters: ImageParameters
  /** Sent beside the parameters; a known field of the same name wins. */
  readonly extra?: Readonly<Record<string, unknown>>
  /** Sent in case it is honoured one day; nothing relies on it. */
  readonly idempotencyKey: string
  readonly signal?: AbortSignal
  /** Not sent after this moment of the monotonic clock. */
  readonly sendBy?: number
}

export interface ProviderAnswer {
  readonly image: AnsweredImage
  /** Theirs, for a support ticket; none is documented. */
  readonly requestId: string | undefined
  readonly pace: PaceHints
}

export interface Provider {
  /** One call, at most one payment: throws `ProviderFailure`, and never tries again by itself. */
  generateImage(request: ImageRequest): Promise<ProviderAnswer>
  /** Cuts what is still under way: drain first. */
  close(): Promise<void>
}

const answerBytesMax = 100 * 1024 * 1024
const connectTimeoutMs = 10_000

/** `timeoutMs` is for the whole call, from the first try to connect to the last byte. */
export function createProvider(parts: {
  readonly apiKey: string
  /** As configured, with or without a slash at its end. */
  readonly baseUrl: string
  readonly timeoutMs: number
  readonly clock: Clock
  readonly userAgent: string
}): Provider {
  const { apiKey, clock } = parts
  const url = new URL(`${parts.baseUrl.replace(/\/+$/, '')}/images/generations`)
  const agent = new Agent({
    connections: 1024,
    pipelining: 1,
    allowH2: false,
    connect: { timeout: connectTimeoutMs },
    // Short on purpose: a kept connection that the other side closes as we write is an unknown outcome, and costs money.
    keepAliveTimeout: 4_000,
    keepAliveMaxTimeout: 30_000,
    keepAliveTimeoutThreshold: 2_000,
  })

  return {
    async generateImage(request) {
      const answer = await exchange(
        { dispatcher: agent, clock },
        {
          url,
          method: 'POST',
          headers: {
            authorization: `Bearer ${apiKey}`,
            'content-type': 'application/json',
            accept: 'application/json',
            'user-agent': parts.userAgent,
            'idempotency-key': request.idempotencyKey,
          },
          body: Buffer.from(JSON.stringify(wireBody(request))),
          connectTimeoutMs: Math.min(connectTimeoutMs, parts.timeoutMs),
          totalTimeoutMs: parts.timeoutMs,
          maxBytes: answerBytesMax,
          signal: request.signal,
          sendBy: request.sendBy,
        },
      ).catch((error: unknown) => {
        throw error instanceof OutboundError ? ofBrokenExchange(error, clock.now()) : error
      })
      const isSuccess = answer.status >= 200 && answer.status < 300
      const image = isSuccess ? imageOfAnswer(answer.body) : undefined
      if (image === undefined) throw classifyAnswer({ ...answer, nowMs: clock.now(), apiKey })
      return { image, requestId: requestIdOf(answer.headers), pace: readPace(answer.headers, clock.now()) }
    },
    async close() {
      await agent.destroy()
    },
  }
}

/** What goes over the wire: snake_case alone, since a name that Runcrate does not know is paid for and ignored. */
function wireBody(request: ImageRequest): Record<string, unknown> {
  const { model, prompt, parameters, extra } = request
  return { ...extra, response_format: 'url', ...parameters, model, prompt }
}

/**
 * A call without a whole answer. Only where nothing was written is it known to be free. An error status that came before
 * the cut says all that is needed; a good one does not say whether its image is lost.
 */
function ofBrokenExchange(error: OutboundError, nowMs: number): ProviderFailure {
  const { status, headers = {}, cause } = error
  if (!error.sent) {
    const message = `The provider could not be reached: ${error.message}.`
    return new ProviderFailure({ class: 'not_sent', code: 'provider_error', message, cause }, {})
  }
  const pace = readPace(headers, nowMs)
  if (status !== undefined && status >= 300) return classifyAnswer({ status, headers, body: Buffer.alloc(0), nowMs })
  if (status !== undefined && error.reason === 'too_large') {
    const message = `The provider's answer is too large: ${error.message}.`
    return new ProviderFailure({ class: 'bad_output', code: 'output_invalid', message, providerStatus: status }, pace)
  }
  const message = `The call was sent and its answer did not arrive: ${error.message}. It may have been charged.`
  return new ProviderFailure({ class: 'unknown_outcome', code: 'outcome_unknown', message, cause }, pace)
}

function requestIdOf(headers: AnswerHeaders): string | undefined {
  const ids = [headers['x-request-id'], headers['cf-ray'], headers['x-vercel-id']]
  return ids.find((id) => typeof id === 'string')?.slice(0, 200)
}
