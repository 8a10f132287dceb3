import { variableFor } from '../outbound/guard.ts'
import { OutboundError } from '../outbound/outbound-error.ts'
import { parseRetryAfterMs } from '../outbound/retry-after.ts'
import { signDelivery } from './sign.ts'
import type { AnswerHeaders } from '../outbound/outbound-error.ts'
import type { Outbound } from '../outbound/fetch.ts'
import type { Clock } from '../process/clock.ts'

export interface Delivery {
  readonly url: string
  readonly secret: string
  /** The event's id: the same on every attempt. */
  readonly id: string
  /** Made once and kept: the receiver's signature check is over these bytes. */
  readonly body: Buffer
  readonly userAgent: string
}

export interface DeliveryResult {
  /** `gone`: the receiver said 410, so the endpoint is to be disabled. */
  readonly outcome: 'delivered' | 'retry' | 'gone'
  readonly status?: number
  readonly retryAfterMs?: number
  /** One sentence for the delivery log, where it was not delivered. */
  readonly error?: string
}

// What receivers are told of these: docs/webhooks.md, "Rules".
const connectTimeoutMs = 5_000
const totalTimeoutMs = 20_000
const answerBytesMax = 64 * 1024
const retryAfterMsMax = 24 * 60 * 60_000
const heedRetryAfter: ReadonlySet<number> = new Set([429, 502, 503, 504])

/**
 * One signed POST. Once a status has come it decides, whatever becomes of the body: a receiver that said 200 has the
 * event, and an endless body must not make it a duplicate. Redirects are failures. Never throws for what the other side
 * does.
 */
export async function sendDelivery(
  parts: {
    readonly outbound: Outbound
    readonly clock: Clock
    readonly rules: { readonly allowHttp: boolean; readonly allowPrivate: boolean }
  },
  delivery: Delivery,
): Promise<DeliveryResult> {
  const { outbound, clock, rules } = parts
  try {
    const answer = await outbound.request({
      url: delivery.url,
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        'user-agent': delivery.userAgent,
        ...signDelivery({ ...delivery, timestampMs: clock.now() }),
      },
      body: delivery.body,
      allowHttp: rules.allowHttp,
      allowPrivate: rules.allowPrivate,
      maxRedirects: 0,
      connectTimeoutMs,
      totalTimeoutMs,
      maxBytes: answerBytesMax,
    })
    return judge(answer.status, answer.headers, clock)
  } catch (error) {
    if (!(error instanceof OutboundError)) throw error
    if (error.status !== undefined && error.headers !== undefined) return judge(error.status, error.headers, clock)
    return { outcome: 'retry', error: sentence(error) }
  }
}

function judge(status: number, headers: AnswerHeaders, clock: Clock): DeliveryResult {
  if (status >= 200 && status < 300) return { outcome: 'delivered', status }
  const error = `the receiver answered ${String(status)}`
  if (status === 410) return { outcome: 'gone', status, error }
  const retryAfterMs = heedRetryAfter.has(status)
    ? parseRetryAfterMs(headers['retry-after'], clock.now(), retryAfterMsMax)
    : undefined
  return { outcome: 'retry', status, error, ...(retryAfterMs === undefined ? {} : { retryAfterMs }) }
}

function sentence(error: OutboundError): string {
  if (error.allowedBy === undefined) return error.message
  return `${error.message} (${variableFor[error.allowedBy]}=true would allow it)`
}
