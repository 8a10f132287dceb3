import type { Dispatcher } from 'undici'
import type { Clock } from '../process/clock.ts'
import { OutboundError } from './outbound-error.ts'
import type { AnswerHeaders, OutboundReason } from './outbound-error.ts'

export interface ExchangeRequest {
  readonly url: URL
  readonly method: 'GET' | 'POST'
  readonly headers: Readonly<Record<string, string>>
  readonly body?: Buffer | undefined
  /** From the start until a connection stands and the request is written. */
  readonly connectTimeoutMs: number
  /** From the start until the last byte of the answer. */
  readonly totalTimeoutMs: number
  readonly maxBytes: number
  /** The least that the body must bring in each stretch of `windowMs`. */
  readonly minRate?: { readonly bytes: number; readonly windowMs: number } | undefined
  readonly signal?: AbortSignal | undefined
  /** Not written after this moment of the monotonic clock: what allowed it may be out of date by then. */
  readonly sendBy?: number | undefined
  /** Called once, just before the first byte is written. */
  readonly onSend?: () => void
}

export interface ExchangeAnswer {
  readonly status: number
  readonly headers: AnswerHeaders
  readonly body: Buffer
}

/**
 * One HTTP request and its whole answer. Never retries, never follows a redirect. Throws `OutboundError`, whose `sent`
 * says whether the request may have reached the other side: it is false only where nothing was written to a socket, so
 * a kept-alive connection that turns out dead on the first write counts as sent.
 */
export async function exchange(
  parts: { readonly dispatcher: Dispatcher; readonly clock: Clock },
  request: ExchangeRequest,
): Promise<ExchangeAnswer> {
  const { clock, dispatcher } = parts
  const { url, signal, maxBytes, minRate, totalTimeoutMs, connectTimeoutMs } = request
  const { promise, resolve, reject } = Promise.withResolvers<ExchangeAnswer>()
  const chunks: Buffer[] = []
  let receivedBytes = 0
  let hasEnded = false
  let stopWatch = (): void => undefined
  let controller: Dispatcher.DispatchController | undefined
  let head: { status: number; headers: AnswerHeaders } | undefined

  function fail(reason: OutboundReason, message: string, cause?: unknown): void {
    if (hasEnded) return
    hasEnded = true
    const refused = cause instanceof OutboundError && controller === undefined ? cause : undefined
    const error = refused ?? new OutboundError({ reason, message, sent: controller !== undefined, ...head, cause })
    reject(error)
    controller?.abort(error)
  }
  function onAbort(): void {
    fail('aborted', 'the caller gave up', signal?.reason)
  }

  const handler: Dispatcher.DispatchHandler = {
    onRequestStart(started) {
      if (request.sendBy !== undefined && clock.monotonic() > request.sendBy) fail('connect', 'too late to be sent')
      if (hasEnded) {
        // Given up while it waited for a connection: undici then writes nothing.
        started.abort(new Error('given up before it was sent'))
        return
      }
      controller = started
      request.onSend?.()
    },
    onResponseStart(_controller, status, headers) {
      if (status < 200) return
      head = { status, headers }
      if (Number(headers['content-length']) > maxBytes) {
        fail('too_large', `the answer announces more than ${String(maxBytes)} bytes`)
      } else if (minRate !== undefined) {
        stopWatch = watchRate(clock, minRate, () => receivedBytes, fail)
      }
    },
    onResponseData(_controller, chunk) {
      receivedBytes += chunk.length
      chunks.push(chunk)
      if (receivedBytes > maxBytes) fail('too_large', `the answer has more than ${String(maxBytes)} bytes`)
    },
    onResponseEnd() {
      if (head === undefined) fail('cut', 'the answer had no head')
      else resolve({ ...head, body: Buffer.concat(chunks, receivedBytes) })
    },
    onResponseError(_controller, error) {
      fail(controller === undefined ? 'connect' : 'cut', describe(error), error)
    },
  }

  const timers = [
    clock.every(totalTimeoutMs, () => {
      fail('timeout', `no whole answer within ${seconds(totalTimeoutMs)}`)
    }),
    clock.every(connectTimeoutMs, () => {
      if (controller === undefined) fail('connect', `no connection within ${seconds(connectTimeoutMs)}`)
    }),
  ]
  try {
    if (signal?.aborted === true) onAbort()
    signal?.addEventListener('abort', onAbort)
    if (!hasEnded) {
      dispatcher.dispatch(
        {
          origin: url.origin,
          path: url.pathname + url.search,
          method: request.method,
          headers: request.headers,
          body: request.body ?? null,
          // undici's own are coarse and in minutes; the timers above hold for every phase.
          headersTimeout: 0,
          bodyTimeout: 0,
        },
        handler,
      )
    }
    return await promise
  } finally {
    hasEnded = true
    for (const stop of timers) stop()
    stopWatch()
    signal?.removeEventListener('abort', onAbort)
  }
}

/** Fails when a stretch of the window brought fewer bytes than it must. Returns what stops the watch. */
function watchRate(
  clock: Clock,
  minRate: { readonly bytes: number; readonly windowMs: number },
  receivedBytes: () => number,
  fail: (reason: OutboundReason, message: string) => void,
): () => void {
  let seenBytes = receivedBytes()
  return clock.every(minRate.windowMs, () => {
    if (receivedBytes() - seenBytes < minRate.bytes) {
      fail('too_slow', `fewer than ${String(minRate.bytes)} bytes in ${seconds(minRate.windowMs)}`)
    }
    seenBytes = receivedBytes()
  })
}

function seconds(ms: number): string {
  return `${String(Math.round(ms / 100) / 10)} s`
}

/** A sentence without addresses of this machine or stack; the error itself stays on `cause`. */
function describe(error: Error): string {
  const code = 'code' in error && typeof error.code === 'string' ? error.code : error.name
  return `connection failed (${code})`
}
