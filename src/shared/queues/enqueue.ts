import type { Priority } from '../contract/priority.ts'
import {
  batchJob,
  deliverJob,
  deliverJobId,
  generateJobId,
  generateQueue,
  queueNames,
  triggerId,
  type BatchJob,
  type DeliverJob,
  type GenerateJob,
} from './jobs.ts'
import type { Queues } from './open.ts'

/** Puts items on their generate queue, at most a chunk's worth at once. What stands there already is not added again. */
export async function enqueueItems(queues: Queues, priority: Priority, jobs: readonly GenerateJob[]): Promise<void> {
  await queues.get(generateQueue(priority)).addBulk(
    jobs.map((data) => ({
      name: 'generate',
      data,
      opts: { jobId: generateJobId(data.batch, data.item.index, data.round) },
    })),
  )
}

/**
 * Asks for a step of a batch. While the same step is waiting this changes nothing; while it runs, one more run
 * follows: no wake-up is lost (a job id in its place would lose them).
 */
export async function trigger(queues: Queues, job: BatchJob): Promise<void> {
  await queues
    .get(queueNames.batch)
    .add(job.kind, batchJob.parse(job), { deduplication: { id: triggerId(job), keepLastIfActive: true } })
}

export async function triggerFeed(queues: Queues, priority: Priority): Promise<void> {
  await trigger(queues, { v: 1, kind: 'feed', priority })
}

/** One delivery of an event to an endpoint. Adding it twice adds it once, as long as it is under way. */
export async function enqueueDelivery(queues: Queues, endpoint: string, job: DeliverJob): Promise<void> {
  await queues
    .get(queueNames.deliver)
    .add('deliver', deliverJob.parse(job), { jobId: deliverJobId(job.event, endpoint) })
}
