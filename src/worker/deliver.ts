import type { Config } from '../shared/config/config.ts'
import { readManifest } from '../shared/ledger/manifest.ts'
import type { Store } from '../shared/ledger/store.ts'
import type { Outbound } from '../shared/outbound/fetch.ts'
import type { Clock } from '../shared/process/clock.ts'
import type { Log } from '../shared/process/log.ts'
import type { Metrics } from '../shared/process/metrics.ts'
import type { Random } from '../shared/process/random.ts'
import type { DeliverJob } from '../shared/queues/jobs.ts'
import { again, done, type Verdict } from '../shared/queues/verdict.ts'
import type { Redis } from '../shared/redis/connect.ts'
import type { Keys } from '../shared/redis/keys.ts'
import { nextDelayMs } from '../shared/webhooks/retry-schedule.ts'
import { sendDelivery } from '../shared/webhooks/send-delivery.ts'
import { goOnAt } from './relay/behind.ts'
import { closeDelivery, letGoOfEnded } from './relay/deliveries.ts'
import { trigger } from '../shared/queues/enqueue.ts'
import type { Queues } from '../shared/queues/open.ts'

export interface DeliverParts {
  readonly redis: Redis
  readonly keys: Keys
  readonly store: Store
  readonly queues: Queues
  readonly outbound: Outbound
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly metrics: Metrics
  readonly rules: Config['webhook']
  readonly userAgent: string
}

/**
 * One signed attempt at a delivery: the same id and bytes on each, signed anew. The URL and the secret are read where
 * they are kept: a job in Redis holds neither.
 */
export async function deliverEvent(parts: DeliverParts, job: DeliverJob): Promise<Verdict> {
  const { clock, log, random, rules } = parts
  const url = (await readManifest(parts.store, job.batch))?.options.webhook?.url
  if (url === undefined) return done // deleted meanwhile
  if (rules.secret === undefined) {
    log.error(
      { event: job.event, batch: job.batch },
      'WEBHOOK_SECRET is not set in this worker: a delivery waits for it',
    )
    return again(60_000)
  }
  const attemptsMade = job.attempts_made + 1
  const startedAt = clock.monotonic()
  const result = await sendDelivery(
    { outbound: parts.outbound, clock, rules },
    { url, secret: rules.secret, id: job.event, body: Buffer.from(job.body), userAgent: parts.userAgent },
  )
  const durationMs = clock.monotonic() - startedAt
  const fields = {
    event: job.event,
    batch: job.batch,
    attempt: attemptsMade,
    status: result.status,
    why: result.error,
  }
  if (result.outcome === 'delivered') {
    parts.metrics.deliveryAttempt('delivered', durationMs)
    log.info(fields, 'delivered')
    return await ended(parts, job)
  }
  const delayMs =
    result.outcome === 'gone'
      ? undefined
      : nextDelayMs(rules.retryScheduleMs, attemptsMade, random, result.retryAfterMs)
  parts.metrics.deliveryAttempt(delayMs === undefined ? 'given_up' : 'failed', durationMs)
  if (delayMs === undefined) {
    log.error(fields, 'delivery given up')
    return await ended(parts, job)
  }
  log.warn({ ...fields, againInMs: delayMs }, 'delivery failed')
  return again(delayMs, { ...job, attempts_made: attemptsMade })
}

async function ended(parts: DeliverParts, job: DeliverJob): Promise<Verdict> {
  if (job.terminal) await letGoOfEnded(parts, job.batch, job.round)
  const left = await closeDelivery(parts, job.batch, job.event)
  if (left < goOnAt && (await parts.redis.hexists(parts.keys.behind, job.batch)) === 1) {
    await trigger(parts.queues, { v: 1, kind: 'relay-behind', batch: job.batch })
  }
  return done
}
