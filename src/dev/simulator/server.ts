import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { systemClock, type Clock } from '../../shared/process/clock.ts'
import { deliver, refusalAnswer, type Answer } from './answer.ts'
import { answerBilling } from './billing.ts'
import { answerControl } from './control.ts'
import { generate } from './generations.ts'
import { notFound, Refusal } from './refusal.ts'
import type { Settings } from './settings.ts'
import { createSimulator, type Simulator } from './simulator.ts'

export interface SimulatorOptions {
  /** 0: a free one. */
  readonly port: number
  /** Default 127.0.0.1. */
  readonly host?: string | undefined
  /** Calls a minute for each key; 0: no limit. Default 600. */
  readonly rateLimit?: number | undefined
  /** Multiplies the models' latency. Default 1. */
  readonly latencyScale?: number | undefined
  /** The latency of every call, in place of the models'. */
  readonly latencyMs?: number | undefined
  /** Any other of the options that `PUT /_sim/options` can change. */
  readonly settings?: Partial<Settings> | undefined
  readonly clock?: Clock | undefined
}

export interface RunningSimulator extends AsyncDisposable {
  /** What `RUNCRATE_BASE_URL` has to be: `http://127.0.0.1:PORT/v1`. */
  readonly baseUrl: string
  /** Cuts what is under way and closes. A second call changes nothing. */
  stop(): Promise<void>
}

/** Starts a stand-in for Runcrate: `/v1`, `/api/v1/billing`, `/_assets` and, to steer and question it, `/_sim`. */
export async function startSimulator(options: SimulatorOptions): Promise<RunningSimulator> {
  const { port, host = '127.0.0.1', rateLimit, latencyScale, latencyMs, clock = systemClock } = options
  const simulator = createSimulator(clock, {
    ...options.settings,
    ...(rateLimit === undefined ? {} : { rate_limit: rateLimit }),
    ...(latencyScale === undefined ? {} : { latency_scale: latencyScale }),
    ...(latencyMs === undefined ? {} : { latency_ms: latencyMs }),
  })
  let requests = 0
  const server = createServer((request, response) => {
    requests += 1
    const requestId = `req_sim${String(requests).padStart(10, '0')}`
    answerRequest(simulator, request, response, requestId).catch((error: unknown) => {
      if (!response.destroyed) process.stderr.write(`simulator: ${String(error)}\n`)
      response.destroy()
    })
  })
  // Clients keep connections for long pauses of the rate limit; an answer that hangs has no time limit either.
  server.keepAliveTimeout = 75_000
  server.requestTimeout = 0
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, host, resolve)
  })
  const { address, port: bound } = server.address() as AddressInfo
  const reachable = address === '0.0.0.0' || address === '::' ? '127.0.0.1' : address

  const closed = new Promise<void>((resolve) => {
    server.once('close', resolve)
  })
  const stop = async () => {
    for (const work of simulator.underWay) work.abort()
    if (server.listening) server.close()
    server.closeAllConnections()
    await closed
  }
  return {
    baseUrl: `http://${reachable.includes(':') ? `[${reachable}]` : reachable}:${String(bound)}/v1`,
    stop,
    [Symbol.asyncDispose]: stop,
  }
}

async function answerRequest(
  simulator: Simulator,
  request: IncomingMessage,
  response: ServerResponse,
  requestId: string,
): Promise<void> {
  const url = new URL(request.url ?? '/', 'http://simulator')
  if (url.pathname.startsWith('/_assets/') && (request.method === 'GET' || request.method === 'HEAD'))
    return simulator.assets.serve(request, response, url)
  if (url.pathname === '/v1/images/generations' && request.method === 'POST')
    return generate(simulator, { request, response, requestId })
  await deliver(response, await answerOther(simulator, request, url), simulator.clock)
}

async function answerOther(simulator: Simulator, request: IncomingMessage, url: URL): Promise<Answer> {
  const billing = '/api/v1/billing'
  if (url.pathname.startsWith(`${billing}/`) && request.method === 'GET')
    return answerBilling(simulator, request, url.pathname.slice(billing.length))
  if (url.pathname === '/v1/images/generations')
    return refusalAnswer(new Refusal(405, 'method_not_allowed', 'Use POST.'), 'error', { Allow: 'POST' })
  if (!url.pathname.startsWith('/_sim/')) return refusalAnswer(notFound(url.pathname))
  try {
    return await answerControl(simulator, request, url)
  } catch (error) {
    if (error instanceof Refusal) return refusalAnswer(error)
    throw error
  }
}
