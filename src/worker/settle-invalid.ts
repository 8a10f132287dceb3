import { nothingToBook } from '../shared/batch/put-back.ts'
import { settleItem } from '../shared/batch/settle.ts'
import type { InvalidItem } from '../shared/contract/accepted.ts'
import { itemId } from '../shared/contract/ids.ts'
import { chunkOf } from '../shared/ledger/chunks.ts'
import type { Manifest } from '../shared/ledger/manifest.ts'
import { trigger } from '../shared/queues/enqueue.ts'
import { generateQueue } from '../shared/queues/jobs.ts'
import { waitingKey } from '../shared/queues/open.ts'
import type { FeedParts } from './feed.ts'

/** Settles an item that was wrong at intake as failed: there is no job, no call and no cost. */
export async function settleInvalid(
  { redis, keys, queues, clock, metrics, relayTrigger }: FeedParts,
  { batch, tenant, total, options: { priority } }: Manifest,
  round: number,
  { index, custom_id, invalid }: InvalidItem,
): Promise<void> {
  const id = itemId(batch, index)
  const { message } = invalid
  // Nobody ever claims it, so it has no output key, and no fence to be on one.
  const hold = { process: '', attempt: '', tenant, batch, round, priority, index, stem: id }
  const settled = await settleItem(redis, keys, hold, {
    outcome: {
      id,
      custom_id,
      status: 'failed',
      response: null,
      error: { code: 'invalid_request', message, retryable: false, provider_code: null, provider_status: null },
    },
    booking: nothingToBook,
    unclaimed: true,
    ownObjectCostNano: undefined,
    priced: true,
    total,
    waitingKey: waitingKey(queues.prefix, generateQueue(priority)),
    nowMs: clock.now(),
  })
  if (settled.kind !== 'settled') return
  metrics.itemSettled('failed')
  if (settled.told) relayTrigger()
  if (settled.chunkFull) await trigger(queues, { v: 1, kind: 'seal', batch, chunk: chunkOf(index) })
  if (settled.batchDone) await trigger(queues, { v: 1, kind: 'finish', batch })
}
