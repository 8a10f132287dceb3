import { z } from 'zod'
import type { AcceptedItem } from '../contract/accepted.ts'
import { itemId } from '../contract/ids.ts'
import { priorities, type Priority } from '../contract/priority.ts'

/** Every job that there is: its queue, its data, its id. Data holds no secrets and no image bytes. */

/** `v` counts up when a job changes its shape; a worker leaves what it does not know for a newer one. */
const version = z.literal(1)

export const generateJob = z.object({
  v: version,
  tenant: z.string(),
  batch: z.string(),
  round: z.number(),
  priority: z.enum(priorities),
  /** Items of the batch. */
  total: z.number(),
  overwrite: z.enum(['changed', 'always', 'never']),
  max_attempts: z.number(),
  cache_control: z.string().nullable(),
  /** The item's line. Our own writing, checked when it was accepted. */
  item: z.custom<AcceptedItem>((value) => typeof value === 'object' && value !== null && 'index' in value),
})
export type GenerateJob = z.infer<typeof generateJob>

export const batchJob = z.discriminatedUnion('kind', [
  z.object({ v: version, kind: z.literal('feed'), priority: z.enum(priorities) }),
  z.object({ v: version, kind: z.literal('seal'), batch: z.string(), chunk: z.number() }),
  z.object({ v: version, kind: z.literal('close'), batch: z.string() }),
  z.object({ v: version, kind: z.literal('finish'), batch: z.string() }),
  z.object({ v: version, kind: z.literal('relay') }),
  z.object({ v: version, kind: z.literal('relay-behind'), batch: z.string() }),
])
export type BatchJob = z.infer<typeof batchJob>

export const deliverJob = z.object({
  v: version,
  /** Id of the event: the same on every attempt. */
  event: z.string(),
  batch: z.string(),
  round: z.number(),
  /** The exact bytes to send: serialised once, signed anew on each attempt. */
  body: z.string(),
  /** It tells of the end of a round: once delivered or given up, the batch is no longer among the live. */
  terminal: z.boolean(),
  /** Requests that were sent and not answered with 2xx. */
  attempts_made: z.number(),
})
export type DeliverJob = z.infer<typeof deliverJob>

export const queueNames = {
  interactive: 'generate-interactive',
  standard: 'generate-standard',
  bulk: 'generate-bulk',
  batch: 'batch',
  deliver: 'deliver',
} as const
export type QueueName = (typeof queueNames)[keyof typeof queueNames]

export function generateQueue(priority: Priority): QueueName {
  return queueNames[priority]
}

/** One job an item and round: adding it twice adds it once. */
export function generateJobId(batch: string, index: number, round: number): string {
  return `${itemId(batch, index)}-r${String(round)}`
}

/** One delivery an event and endpoint. */
export function deliverJobId(event: string, endpoint: string): string {
  return `${event}-${endpoint}`
}

/** What makes two triggers the same: one more run follows the active one, never two. */
export function triggerId(job: BatchJob): string {
  switch (job.kind) {
    case 'feed':
      return `feed-${job.priority}`
    case 'seal':
      return `seal-${job.batch}-${String(job.chunk)}`
    case 'close':
    case 'finish':
      return `${job.kind}-${job.batch}`
    case 'relay':
      return 'relay'
    case 'relay-behind':
      return `relay-behind-${job.batch}`
  }
}
