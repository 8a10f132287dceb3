import { Redis, type RedisOptions } from 'ioredis'

export type { Redis } from 'ioredis'

/**
 * How each kind of connection behaves when Redis is away (measured for BullMQ 6.7 and ioredis 6):
 * - `api`: fails at once, so that a request can answer 503; recovers by itself.
 * - `own`: waits for Redis, but no single command for longer than 10 s. A command that timed out may have been
 *   applied: every script of ours bears being called again.
 * - `engine`: for BullMQ's workers and for blocking reads: waits for ever, never times out.
 * - `guarded`: sends nothing that was not asked for on this very connection (see `src/worker/epoch.ts`).
 */
export type ConnectionKind = 'api' | 'own' | 'engine' | 'guarded'

const waiting = { maxRetriesPerRequest: null, enableOfflineQueue: true, retryStrategy: backoffTo(2000) }

const kinds: Record<ConnectionKind, RedisOptions> = {
  api: {
    enableOfflineQueue: false,
    maxRetriesPerRequest: 1,
    commandTimeout: 1500,
    connectTimeout: 1500,
    retryStrategy: backoffTo(1000),
  },
  own: { ...waiting, commandTimeout: 10_000 },
  engine: waiting,
  guarded: {
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 0,
    commandTimeout: 10_000,
    retryStrategy: backoffTo(500),
  },
}

/** Opens a connection. It reconnects by itself until it is closed; `onError` hears of each fault. */
export function connect(url: string, kind: ConnectionKind, onError: (error: Error) => void): Redis {
  const options: Omit<RedisOptions, 'replyMapping'> = { ...kinds[kind], connectionName: `cratework-${kind}` }
  const redis = new Redis(url, options)
  redis.on('error', onError)
  return redis
}

function backoffTo(msMax: number): (times: number) => number {
  return (times) => Math.min(50 * 2 ** Math.min(times, 10), msMax)
}
