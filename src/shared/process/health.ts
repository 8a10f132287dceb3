import { createServer } from 'node:http'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { Config } from '../config/config.ts'
import type { Clock } from './clock.ts'
import { within } from './deadline.ts'
import { ListenFault, listen } from './listen.ts'
import type { Log } from './log.ts'
import type { Metrics } from './metrics.ts'

/** Whether a process can do its work now. Each check resolves where its part answers, and throws where it does not. */
export interface Readiness {
  read(): Promise<{ ready: boolean; checks: Record<string, 'ok' | 'failed'> }>
  /** From now on the process is not ready: it is about to stop. */
  stopping(): void
}

const checkDeadlineMs = 1_500

/** Makes one out of named checks; a check that takes longer than 1.5 s has failed. */
export function newReadiness(
  parts: { readonly clock: Clock; readonly log: Log },
  checks: Readonly<Record<string, () => Promise<unknown>>>,
): Readiness {
  let stopping = false

  async function answers(name: string, check: () => Promise<unknown>): Promise<[string, 'ok' | 'failed']> {
    try {
      await within(parts.clock, checkDeadlineMs, check())
      return [name, 'ok']
    } catch (error) {
      parts.log.warn({ err: error, check: name }, 'not ready')
      return [name, 'failed']
    }
  }

  return {
    async read() {
      const found = await Promise.all(Object.entries(checks).map(([name, check]) => answers(name, check)))
      return { ready: !stopping && found.every(([, state]) => state === 'ok'), checks: Object.fromEntries(found) }
    },
    stopping() {
      stopping = true
    },
  }
}

export interface HealthServer extends AsyncDisposable {
  readonly port: number
  stop(): Promise<void>
}

export interface HealthParts {
  readonly config: Pick<Config, 'metricsPort' | 'metricsHost'>
  readonly clock: Clock
  readonly log: Log
  readonly metrics: Metrics
}

/**
 * Serves `/metrics`, `/livez` and `/readyz` of this process on METRICS_PORT. Throws `ListenFault` where a port that was
 * set is in use; a default port in use gives way to a free one, which is logged.
 */
export async function startHealthServer(parts: HealthParts, readiness: Readiness): Promise<HealthServer> {
  const server = createServer((request, response) => {
    answer(parts, readiness, request, response).catch((error: unknown) => {
      parts.log.error({ err: error }, 'the metrics port could not answer')
      response.destroy()
    })
  })
  const port = await listenOrGiveWay(server, parts)
  let stopped: Promise<void> | undefined
  const stop = (): Promise<void> => {
    stopped ??= new Promise((resolve) => {
      server.close(() => {
        resolve()
      })
      server.closeAllConnections()
    })
    return stopped
  }
  return { port, stop, [Symbol.asyncDispose]: stop }
}

async function listenOrGiveWay(server: Server, { config, log }: HealthParts): Promise<number> {
  const { value, explicit } = config.metricsPort
  const where = { host: config.metricsHost, variable: 'METRICS_PORT' } as const
  try {
    return await listen(server, { ...where, port: value })
  } catch (error) {
    if (explicit || !(error instanceof ListenFault) || error.code !== 'EADDRINUSE') throw error
    const port = await listen(server, { ...where, port: 0 })
    log.warn(
      { port, wanted: value },
      `METRICS_PORT is not set and ${String(value)} is in use: metrics are on ${String(port)}`,
    )
    return port
  }
}

async function answer(
  { metrics }: HealthParts,
  readiness: Readiness,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const path = (request.url ?? '/').split('?')[0]
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    end(response, 405, 'text/plain', 'method not allowed\n')
  } else if (path === '/metrics') {
    const page = await metrics.page()
    end(response, 200, page.contentType, page.text)
  } else if (path === '/livez') {
    end(response, 200, 'application/json', JSON.stringify({ status: 'ok' }))
  } else if (path === '/readyz') {
    const { ready, checks } = await readiness.read()
    end(response, ready ? 200 : 503, 'application/json', JSON.stringify(readinessBody(ready, checks)))
  } else {
    end(response, 404, 'text/plain', 'not found\n')
  }
}

/** What `/readyz` says, on either port. */
export function readinessBody(ready: boolean, checks: Readonly<Record<string, 'ok' | 'failed'>>): object {
  return { status: ready ? 'ready' : 'not_ready', checks }
}

function end(response: ServerResponse, status: number, contentType: string, body: string): void {
  response.writeHead(status, { 'content-type': contentType, 'cache-control': 'no-store' }).end(body)
}
