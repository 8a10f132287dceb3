import { deliverJob, queueNames, type DeliverJob } from '../../src/shared/queues/jobs.ts'
import { closeDelivery, letGoOfEnded } from '../../src/worker/relay/deliveries.ts'
import type { LedgerEngine } from './ledger-engine.ts'

/** A delivery that is under way, as its receiver would see it. */
export interface OpenDelivery extends DeliverJob {
  readonly type: string
  readonly data: Record<string, unknown>
}

/** All deliveries under way, oldest first. */
export async function openDeliveries({ queues }: LedgerEngine): Promise<OpenDelivery[]> {
  const jobs = await queues.get(queueNames.deliver).getJobs(['wait', 'delayed', 'active'], 0, -1, true)
  return jobs.map((job) => seen(deliverJob.parse(job.data)))
}

/** Takes up to so many deliveries, as a receiver does that answers 200: they are closed, and their jobs are done. */
export async function receive(engine: LedgerEngine, count: number): Promise<OpenDelivery[]> {
  const { redis, keys, store, queues } = engine
  const jobs = await queues.get(queueNames.deliver).getJobs(['wait'], 0, count - 1, true)
  const taken = jobs.map((job) => deliverJob.parse(job.data))
  await Promise.all(jobs.map((job) => job.remove()))
  for (const { batch, round, event, terminal } of taken) {
    if (terminal) await letGoOfEnded({ redis, keys, store }, batch, round)
    await closeDelivery({ redis, keys }, batch, event)
  }
  return taken.map(seen)
}

function seen(job: DeliverJob): OpenDelivery {
  const { type, data } = JSON.parse(job.body) as { type: string; data: Record<string, unknown> }
  return { ...job, type, data }
}
