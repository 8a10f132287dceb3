import { nothingToBook } from '../../shared/batch/put-back.ts'
import { settleItem } from '../../shared/batch/settle.ts'
import { itemId } from '../../shared/contract/ids.ts'
import { chunkOf } from '../../shared/ledger/chunks.ts'
import type { Clock } from '../../shared/process/clock.ts'
import type { Metrics } from '../../shared/process/metrics.ts'
import { trigger } from '../../shared/queues/enqueue.ts'
import { generateQueue, type GenerateJob } from '../../shared/queues/jobs.ts'
import { waitingKey, type Queues } from '../../shared/queues/open.ts'
import type { Redis } from '../../shared/redis/connect.ts'
import type { Keys } from '../../shared/redis/keys.ts'
import type { RelayTrigger } from '../relay/relay-trigger.ts'
import { responseOf } from './endings.ts'
import type { Look } from './look.ts'
import { holdOf } from './work.ts'

export interface SettleStandingParts {
  readonly redis: Redis
  readonly keys: Keys
  readonly queues: Queues
  readonly clock: Clock
  readonly metrics: Metrics
  readonly relayTrigger: RelayTrigger
}

/** Settles an item whose output stands, without an attempt: nothing was claimed, so there is no fence to free. */
export async function settleStanding(
  parts: SettleStandingParts,
  job: GenerateJob,
  there: Look & { kind: 'there' },
): Promise<void> {
  const { redis, keys, queues, clock } = parts
  const { batch, priority, item } = job
  const id = itemId(batch, item.index)
  const status = there.own ? 'succeeded' : 'reused'
  const settled = await settleItem(
    redis,
    keys,
    { ...holdOf(job), process: '', attempt: '' },
    {
      outcome: {
        id,
        custom_id: item.custom_id,
        status,
        response: responseOf(id, there.image, clock.now()),
        error: null,
      },
      booking: nothingToBook,
      ownObjectCostNano: there.own ? there.costNano : undefined,
      priced: !there.own || item.price_nano !== null,
      total: job.total,
      waitingKey: waitingKey(queues.prefix, generateQueue(priority)),
      nowMs: clock.now(),
    },
  )
  if (settled.kind !== 'settled') return
  parts.metrics.itemSettled(status)
  if (settled.told) parts.relayTrigger()
  if (settled.chunkFull) await trigger(queues, { v: 1, kind: 'seal', batch, chunk: chunkOf(item.index) })
  if (settled.batchDone) await trigger(queues, { v: 1, kind: 'finish', batch })
}
