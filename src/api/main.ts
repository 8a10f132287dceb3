import { createServer } from 'node:http'
import type { Parts } from '../shared/parts/open.ts'
import { newReadiness, startHealthServer } from '../shared/process/health.ts'
import { listen } from '../shared/process/listen.ts'
import { readyWithin } from '../shared/redis/ready.ts'
import { createApp } from './app.ts'
import { bodyLimits, type BodyLimits } from './body.ts'
import { answerClientErrors } from './client-errors.ts'

export interface Api extends AsyncDisposable {
  readonly port: number
  readonly url: string
  /** Of `/metrics`, which is not on `port`; undefined where another role of this process serves it. */
  readonly metricsPort: number | undefined
  /** Takes no new request, lets those under way end, and resolves then. May be called twice. */
  stop(): Promise<void>
}

export interface ApiOptions {
  /** False where another role of this process serves METRICS_PORT. */
  readonly health?: boolean
  readonly limits?: BodyLimits
}

const serverOptions = {
  // Checked twice a second: whoever drips headers is gone within 10 s.
  headersTimeout: 9_000,
  connectionsCheckingInterval: 500,
  // An upload may take as long as it wants; it is watched for silence (body.ts).
  requestTimeout: 0,
  // Above the idle time of load balancers, which must be the ones to close.
  keepAliveTimeout: 65_000,
  maxHeaderSize: 16 * 1024,
  requireHostHeader: false,
}

/** Who asks as soon as it listens is not to hear 503 because Redis is being connected to. */
const redisWaitMs = 2_000

/**
 * Starts the API, and the metrics port beside it. Throws `ListenFault` where a port cannot be had. Redis and S3 may be
 * away: then it listens after 2 s, and requests answer 503 until they are there.
 */
export async function startApi(parts: Parts, { health = true, limits = bodyLimits }: ApiOptions = {}): Promise<Api> {
  const { config, log, clock } = parts
  const readiness = newReadiness(parts, {
    redis: () => parts.redis.ping(),
    storage: () => parts.store.head('live/readyz'),
  })
  const server = createServer(serverOptions, createApp(parts, readiness, limits))
  answerClientErrors(server, parts.random)
  await readyWithin(parts.redis, { clock, waitMs: redisWaitMs })
  const port = await listen(server, { host: config.host, port: config.port, variable: 'PORT' })

  async function stopServer(): Promise<void> {
    readiness.stopping()
    const closed = new Promise<void>((resolve) => {
      server.close(() => {
        resolve()
      })
    })
    // A connection whose request was under way becomes idle later, and would be kept for a minute.
    const stopAsking = clock.every(100, () => {
      server.closeIdleConnections()
    })
    await closed
    stopAsking()
  }

  const metrics = health ? await startHealthServer(parts, readiness).catch(stopAndThrow) : undefined
  async function stopAndThrow(error: unknown): Promise<never> {
    await stopServer()
    throw error
  }

  const url = `http://${config.host.includes(':') ? `[${config.host}]` : config.host}:${String(port)}`
  log.info({ url, metrics_port: metrics?.port }, 'the API listens')
  let stopped: Promise<void> | undefined
  const stop = (): Promise<void> => {
    stopped ??= stopServer().then(() => metrics?.stop())
    return stopped
  }
  return { port, url, metricsPort: metrics?.port, stop, [Symbol.asyncDispose]: stop }
}
