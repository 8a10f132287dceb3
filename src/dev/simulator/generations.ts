import type { IncomingMessage, ServerResponse } from 'node:http'
import { deliver, htmlAnswer, jsonAnswer, refusalAnswer, type Answer } from './answer.ts'
import type { Call } from './calls.ts'
import { readJson } from './body.ts'
import type { Fault, FaultName } from './faults.ts'
import { imageAnswer, moderatedOutput } from './image-answer.ts'
import { checkCredit } from './keys.ts'
import { modelLatencyMs } from './latency.ts'
import { rateHeaders, retryAfter } from './limits.ts'
import { forbidden, insufficientCredits, moderatedInput, rateLimited, Refusal, unauthorized } from './refusal.ts'
import { readGeneration, type GenerationRequest } from './request.ts'
import type { Simulator } from './simulator.ts'

/** One call on its way through the checks. */
interface Exchange {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly requestId: string
}

const bodyBytesMax = 32 * 1024 * 1024
const coldAfterMs = 5 * 60_000

/**
 * `POST /v1/images/generations`. The order of checks: key, rate, JSON, required fields, model, ranges, moderation; then
 * latency, charge, answer.
 */
export async function generate(simulator: Simulator, exchange: Exchange): Promise<void> {
  const { call, answer } = await answerCall(simulator, exchange)
  if (answer.kind === 'send' && answer.status === 429) simulator.traffic.throttled()
  if ('status' in answer && !exchange.response.destroyed) call.status = answer.status
  await deliver(exchange.response, answer, simulator.clock)
}

async function answerCall(simulator: Simulator, exchange: Exchange): Promise<{ call: Call; answer: Answer }> {
  const { request, response, requestId } = exchange
  const idempotencyKey = request.headers['idempotency-key']
  const more = { idempotency_key: typeof idempotencyKey === 'string' ? idempotencyKey.slice(0, 300) : null }

  const admitted = simulator.keys.admit(request.headers.authorization)
  if ('refusal' in admitted)
    return { call: simulator.calls.refused(undefined, undefined, more), answer: refusalAnswer(admitted.refusal) }
  const { key } = admitted
  const noCredit = checkCredit(simulator.keys, key)
  if (noCredit !== undefined)
    return { call: simulator.calls.refused(key, undefined, more), answer: refusalAnswer(noCredit) }

  const turn = simulator.limits.enter(key)
  const headers = { ...turn.headers, 'x-request-id': requestId }
  if (turn.verdict !== 'go') {
    const throttled = { detail: 'Request was throttled. Expected available in 1 second.' }
    const answer =
      turn.verdict === 'too_fast' ? refusalAnswer(rateLimited(), 'error', headers) : jsonAnswer(429, throttled)
    return { call: simulator.calls.refused(key, undefined, more), answer }
  }
  simulator.traffic.enter()
  response.once('close', () => {
    simulator.limits.leave(key)
    simulator.traffic.leave()
  })

  const outage = simulator.faults.outage()
  if (outage !== undefined)
    return {
      call: simulator.calls.refused(key, undefined, { ...more, fault: outage.name }),
      answer: refusedAnswer(simulator, outage, headers),
    }

  let asked: GenerationRequest | undefined
  try {
    asked = readGeneration(await readJson(request, bodyBytesMax))
    const sighting = simulator.calls.see(asked.fingerprint)
    const fault = simulator.faults.choose(asked, sighting)
    if (fault?.strikes === 'refuse' && !fault.paid)
      return {
        call: simulator.calls.refused(key, asked, { ...more, fault: fault.name }),
        answer: refusedAnswer(simulator, fault, headers),
      }
    if (/\b(nsfw|gore)\b/i.test(asked.prompt)) throw moderatedInput()
    if (!simulator.keys.hold(key, asked.priceNano * asked.n)) throw insufficientCredits()
    const call = simulator.calls.begin(key, asked, { ...more, fault: fault?.name ?? null })
    return { call, answer: await make(simulator, exchange, { key, asked, call, fault, sighting, headers }) }
  } catch (error) {
    if (!(error instanceof Refusal)) throw error
    return { call: simulator.calls.refused(key, asked, more), answer: refusalAnswer(error, 'error', headers) }
  }
}

interface Work {
  readonly key: string
  readonly asked: GenerationRequest
  readonly call: Call
  readonly fault: Fault | undefined
  readonly sighting: number
  readonly headers: Record<string, string>
}

/** Makes the images of a call that passed every check: latency, charge, answer. */
async function make(simulator: Simulator, { request, response }: Exchange, work: Work): Promise<Answer> {
  const { key, asked, call, fault, headers } = work
  const costNano = asked.priceNano * asked.n
  const dropped = new AbortController()
  response.once('close', () => {
    if (!response.writableEnded && fault?.name.startsWith('cut_') !== true) call.aborted = true
    if (simulator.settings.abort === 'cancel') dropped.abort()
  })
  const startedMs = simulator.clock.monotonic()
  simulator.underWay.add(dropped)
  try {
    await simulator.clock.sleep(latencyMs(simulator, work), dropped.signal)
  } catch {
    simulator.keys.giveBack(key, costNano)
    return { kind: 'cut' }
  } finally {
    simulator.underWay.delete(dropped)
  }
  call.latency_ms = Math.round(simulator.clock.monotonic() - startedMs)
  if (fault !== undefined && !fault.paid) {
    simulator.keys.giveBack(key, costNano)
    return refusalAnswer(moderatedOutput(), fault.shape, headers)
  }
  const paidBefore = simulator.calls.pay(call, costNano)
  if (fault?.strikes === 'refuse') return refusedAnswer(simulator, fault, headers)
  const origin = `http://${request.headers.host ?? 'localhost'}`
  return imageAnswer(simulator, { ...work, paidBefore, origin })
}

function latencyMs(simulator: Simulator, { asked, fault, sighting }: Work): number {
  const { latency_ms: fixedMs, latency_scale: scale, cold_start_s: coldS } = simulator.settings
  const now = simulator.clock.monotonic()
  const warmAtMs = simulator.warmAtMs.get(asked.row.id)
  simulator.warmAtMs.set(asked.row.id, now)
  const cold = warmAtMs === undefined || now - warmAtMs > coldAfterMs
  const factor = fault?.name === 'latency_x' ? fault.factor : 1
  return (fixedMs ?? modelLatencyMs(asked, sighting) * scale) * factor + (cold ? coldS * 1000 * scale : 0)
}

const providerBusy = new Refusal(503, 'server_error', 'The service is temporarily overloaded.')
const providerBroken = new Refusal(500, 'server_error', 'The server had an error while processing your request.')
const flagged = new Refusal(403, 'content_moderation', 'Your request was flagged by our content moderation system.')

/** The answer of a fault that needs no image. */
function refusedAnswer(simulator: Simulator, fault: Fault, headers: Record<string, string>): Answer {
  const { settings, clock } = simulator
  const now = clock.now()
  const refused: Partial<Record<FaultName, () => Answer>> = {
    cut_before: () => ({ kind: 'cut' }),
    '502_html': () => htmlAnswer(502, '502 Bad Gateway', headers),
    '503_retry_after': () => refusalAnswer(providerBusy, fault.shape, { ...headers, 'Retry-After': '2' }),
    '500': () => refusalAnswer(providerBroken, fault.shape, headers),
    '401': () => refusalAnswer(unauthorized(), fault.shape, headers),
    '402': () => refusalAnswer(insufficientCredits(), fault.shape, headers),
    '403_key': () => refusalAnswer(forbidden(), fault.shape, headers),
    '403_content': () => refusalAnswer(flagged, fault.shape, headers),
    moderate_in: () => refusalAnswer(moderatedInput(), fault.shape, headers),
    '429': () => throttledAnswer(0),
    lying_headers: () => throttledAnswer(100),
  }
  const throttledAnswer = (remaining: number) =>
    refusalAnswer(rateLimited(), fault.shape, {
      ...headers,
      ...rateHeaders(settings, remaining, now + 1000),
      ...retryAfter(settings, 1000, now),
    })
  return refused[fault.name]?.() ?? { kind: 'cut' }
}
