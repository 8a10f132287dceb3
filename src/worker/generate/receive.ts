import { Failure } from '../../shared/failures/failure.ts'
import { OutboundError } from '../../shared/outbound/outbound-error.ts'
import { parseRetryAfterMs } from '../../shared/outbound/retry-after.ts'
import type { Outbound, OutboundAnswer } from '../../shared/outbound/fetch.ts'
import type { OutboundReason } from '../../shared/outbound/outbound-error.ts'
import type { Clock } from '../../shared/process/clock.ts'
import type { AnsweredImage } from '../provider/answer.ts'

export interface ReceiveParts {
  readonly outbound: Outbound
  readonly clock: Clock
  /** Of RUNCRATE_BASE_URL: the one origin that need not be public nor speak https. */
  readonly trustedOrigin: string
  readonly userAgent: string
}

const downloadBytesMax = 50 * 1024 * 1024
const minRate = { bytes: 30 * 1024, windowMs: 30_000 }
const downloadTimeoutMs = 60_000
const connectTimeoutMs = 10_000

// A link that says "gone" may only not be there yet: three tries within half a minute.
const goneWaitsMs: readonly number[] = [5_000, 20_000]
const brokenWaitsMs: readonly number[] = [1_000, 2_000, 4_000, 8_000, 15_000, 30_000]
// No try starts later than this: the link is taken to die young.
const lastStartMs = 60_000
const passingStatuses: ReadonlySet<number> = new Set([408, 425, 429])

type Try =
  | { readonly bytes: Buffer }
  | { readonly kind: 'gone' | 'broken' | 'refused'; readonly why: string; readonly retryAfterMs?: number | undefined }

/**
 * The bytes of an answer's image: as they are, or from its URL. The image is paid for, and downloading is free: so a
 * download that fails is tried again for as long as the link may live. Throws `Failure` of class `bad_output` at the end
 * of that; the caller's `signal` ends it at once.
 */
export async function receiveImage(parts: ReceiveParts, image: AnsweredImage, signal?: AbortSignal): Promise<Buffer> {
  if (image.kind === 'bytes') return image.bytes
  const tries = { gone: 0, broken: 0 }
  const startMs = parts.clock.monotonic()
  for (;;) {
    const result = await download(parts, image.url, signal)
    if ('bytes' in result) return result.bytes
    if (result.kind === 'refused') throw lost(result.why)
    const stepMs = (result.kind === 'gone' ? goneWaitsMs : brokenWaitsMs)[tries[result.kind]]
    if (stepMs === undefined) throw lost(result.why)
    const waitMs = Math.max(stepMs, result.retryAfterMs ?? 0)
    if (parts.clock.monotonic() - startMs + waitMs > lastStartMs) throw lost(result.why)
    tries[result.kind] += 1
    await parts.clock.sleep(waitMs, signal)
  }
}

async function download(parts: ReceiveParts, url: string, signal: AbortSignal | undefined): Promise<Try> {
  const { outbound, clock, trustedOrigin, userAgent } = parts
  try {
    const answer = await outbound.request({
      url,
      method: 'GET',
      // No key: this may be any host. A CDN in front of Together's models refuses an empty User-Agent.
      headers: { 'user-agent': userAgent, accept: 'image/*' },
      allowHttp: false,
      allowPrivate: false,
      trustedOrigin,
      maxRedirects: 3,
      connectTimeoutMs,
      totalTimeoutMs: downloadTimeoutMs,
      maxBytes: downloadBytesMax,
      minRate,
      ...(signal === undefined ? {} : { signal }),
    })
    return judge(answer, clock)
  } catch (error) {
    if (!(error instanceof OutboundError)) throw error
    if (error.reason === 'aborted') throw signal?.reason ?? error
    return { kind: worthAnotherTry.has(error.reason) ? 'broken' : 'refused', why: error.message }
  }
}

function judge(answer: OutboundAnswer, clock: Clock): Try {
  const { status, headers, body } = answer
  // A 206 to a request without a Range is a part of the image.
  if (status === 200) return { bytes: body }
  const why = `its link answered ${String(status)}`
  if (status < 500 && !passingStatuses.has(status)) return { kind: 'gone', why }
  return { kind: 'broken', why, retryAfterMs: parseRetryAfterMs(headers['retry-after'], clock.now(), 30_000) }
}

// Anything else another try would meet again: a link to where we do not go, an image over the limit.
const worthAnotherTry: ReadonlySet<OutboundReason> = new Set<OutboundReason>(['connect', 'timeout', 'too_slow', 'cut'])

function lost(why: string): Failure {
  const message = `The image was made and could not be downloaded: ${why}.`
  return new Failure({ class: 'bad_output', code: 'output_invalid', message })
}
