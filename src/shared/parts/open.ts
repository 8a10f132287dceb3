import type { Config } from '../config/config.ts'
import { openStore, type Store } from '../ledger/store.ts'
import { createOutbound, type Outbound } from '../outbound/fetch.ts'
import { systemClock, type Clock } from '../process/clock.ts'
import { openLog, type Log } from '../process/log.ts'
import { openMetrics, type Metrics } from '../process/metrics.ts'
import { systemRandom, type Random } from '../process/random.ts'
import { openQueues, type Queues } from '../queues/open.ts'
import { connect, type ConnectionKind, type Redis } from '../redis/connect.ts'
import { newKeys, type Keys } from '../redis/keys.ts'

export type Role = 'api' | 'worker'

/** All that a role stands on, made once at its entry and handed down. */
export interface Parts extends AsyncDisposable {
  readonly config: Config
  readonly log: Log
  readonly clock: Clock
  readonly random: Random
  readonly metrics: Metrics
  readonly keys: Keys
  /** For our own scripts and reads. */
  readonly redis: Redis
  readonly queues: Queues
  readonly store: Store
  readonly outbound: Outbound
  /** One more connection, closed with the others. */
  connect(kind: ConnectionKind): Redis
  close(): Promise<void>
}

/** In a request somebody waits; in a worker an image may be at stake once its call is paid. */
const storeDeadlineMs: Record<Role, number> = { api: 1500, worker: 10_000 }

/** Opens the parts of one role. Tests and the embedded stack hand in a clock, a log or randomness of their own. */
export function openParts(
  config: Config,
  role: Role,
  overrides: Partial<Pick<Parts, 'log' | 'clock' | 'random' | 'metrics'>> = {},
): Parts {
  const clock = overrides.clock ?? systemClock
  const random = overrides.random ?? systemRandom
  const log = (overrides.log ?? openLog(config.log)).child({ role })
  const opened: Redis[] = []
  let away = false
  // Redis away is one line when it goes and one when it is back, not one for each try to reach it.
  const noteAway = (error: Error): void => {
    if (!away) log.warn({ err: error }, 'Redis is away')
    away = true
  }
  function open(kind: ConnectionKind): Redis {
    const redis = connect(config.redisUrl, kind, noteAway)
    redis.on('ready', () => {
      if (away) log.info('Redis is back')
      away = false
    })
    opened.push(redis)
    return redis
  }
  const queues = openQueues(open(role === 'api' ? 'api' : 'engine'), config.redisPrefix, noteAway)
  const store = openStore(config.s3, { clock, random, deadlineMs: storeDeadlineMs[role] })
  const outbound = createOutbound({ clock })
  let closed: Promise<void> | undefined
  async function closeAll(): Promise<void> {
    await queues.close().catch(noteAway)
    for (const redis of opened) redis.disconnect()
    store.close()
    await outbound.close()
  }
  const close = (): Promise<void> => (closed ??= closeAll())
  return {
    config,
    log,
    clock,
    random,
    metrics: overrides.metrics ?? openMetrics(),
    keys: newKeys(config.redisPrefix),
    redis: open(role === 'api' ? 'api' : 'own'),
    queues,
    store,
    outbound,
    connect: open,
    close,
    [Symbol.asyncDispose]: close,
  }
}
