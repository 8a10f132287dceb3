import type { Hold } from '../../shared/batch/hold.ts'
import { settleItem, type Settled, type Settlement } from '../../shared/batch/settle.ts'
import { chunkOf } from '../../shared/ledger/chunks.ts'
import type { Store } from '../../shared/ledger/store.ts'
import { readSummary } from '../../shared/ledger/summary.ts'
import type { Clock } from '../../shared/process/clock.ts'
import type { Log } from '../../shared/process/log.ts'
import type { Metrics } from '../../shared/process/metrics.ts'
import { trigger } from '../../shared/queues/enqueue.ts'
import { generateQueue, type GenerateJob } from '../../shared/queues/jobs.ts'
import { waitingKey, type Queues } from '../../shared/queues/open.ts'
import { again, done, type Verdict } from '../../shared/queues/verdict.ts'
import type { Redis } from '../../shared/redis/connect.ts'
import type { Keys } from '../../shared/redis/keys.ts'
import type { FeedTrigger } from '../feed-trigger.ts'
import type { RelayTrigger } from '../relay/relay-trigger.ts'

export interface SettleParts {
  readonly redis: Redis
  readonly keys: Keys
  readonly store: Store
  readonly queues: Queues
  readonly clock: Clock
  readonly log: Log
  readonly metrics: Metrics
  readonly feedTrigger: FeedTrigger
  readonly relayTrigger: RelayTrigger
  readonly deadline: AbortSignal
}

/** Settling, with what follows from it. */
export interface SettleStep {
  settle(
    job: GenerateJob,
    hold: Hold,
    what: Pick<Settlement, 'outcome' | 'booking' | 'entry' | 'ownObjectCostNano'>,
  ): Promise<Verdict>
  /** Whether the ledger says that this round of the batch has ended. */
  hasEnded(batch: string, round: number): Promise<boolean>
}

const redisAgainMs = 500
const batchAgainMs = 2000

export function newSettleStep(parts: SettleParts): SettleStep {
  const { redis, keys, store, queues, clock } = parts

  async function hasEnded(batch: string, round: number): Promise<boolean> {
    const summary = await readSummary(store, batch)
    return summary !== undefined && summary.round >= round
  }

  /** Redis may be away, or may have lost the batch: the outcome is kept until it can be told. */
  async function settleWhenPossible(job: GenerateJob, hold: Hold, settlement: Settlement): Promise<Settled> {
    for (;;) {
      let settled: Settled | undefined
      try {
        settled = await settleItem(redis, keys, hold, settlement)
        if (settled.kind !== 'no_batch' || (await hasEnded(job.batch, job.round))) return settled
      } catch (error) {
        parts.log.warn({ err: error, item: settlement.outcome.id }, 'an outcome waits to be settled')
      }
      // Rejects at the deadline: the stored output speaks for the item, whoever looks next.
      await clock.sleep(settled === undefined ? redisAgainMs : batchAgainMs, parts.deadline)
    }
  }

  return {
    hasEnded,
    async settle(job, hold, what) {
      const settled = await settleWhenPossible(job, hold, {
        ...what,
        priced: job.item.price_nano !== null,
        total: job.total,
        waitingKey: waitingKey(queues.prefix, generateQueue(job.priority)),
        nowMs: clock.now(),
      })
      // Another attempt holds the fence: it, or this job's next run, comes to an outcome.
      if (settled.kind === 'stale') return again(1000)
      if (settled.kind !== 'settled') return done
      parts.metrics.itemSettled(what.outcome.status)
      if (settled.chunkFull) {
        await trigger(queues, { v: 1, kind: 'seal', batch: job.batch, chunk: chunkOf(job.item.index) })
      }
      if (settled.batchDone) await trigger(queues, { v: 1, kind: 'finish', batch: job.batch })
      if (settled.told) parts.relayTrigger()
      parts.feedTrigger.ready(job.priority, settled.ready)
      return done
    },
  }
}
