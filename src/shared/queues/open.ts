import { Queue } from 'bullmq'
import type { Redis } from '../redis/connect.ts'
import { queueNames, type QueueName } from './jobs.ts'

/** The engine's queues, as those who add jobs see them. */
export interface Queues {
  readonly prefix: string
  get(name: QueueName): Queue
  close(): Promise<void>
}

/**
 * Opens the queues on one connection. Neither waits for Redis to be ready nor checks its version: a queue that does
 * never recovers where Redis comes up later (BullMQ 6.7); both are checked at start instead.
 */
export function openQueues(redis: Redis, prefix: string, onError: (error: Error) => void): Queues {
  const queues = new Map<QueueName, Queue>()
  for (const name of Object.values(queueNames)) {
    const queue = new Queue(name, {
      connection: redis,
      prefix,
      skipWaitingForReady: true,
      skipVersionCheck: true,
      streams: { events: { maxLen: 1000 } },
      defaultJobOptions: {
        // The item's attempts are counted by our own scripts; the engine's limit must never be reached.
        attempts: 1000,
        backoff: { type: 'custom' },
        // A kept job would block its id; what happened is in the ledger.
        removeOnComplete: true,
        removeOnFail: true,
      },
    })
    queue.on('error', onError)
    queues.set(name, queue)
  }
  return {
    prefix,
    get(name) {
      const queue = queues.get(name)
      if (queue === undefined) throw new Error(`no queue ${name}`)
      return queue
    },
    async close() {
      await Promise.all([...queues.values()].map((queue) => queue.close()))
    },
  }
}

/** The key of a queue's list of waiting jobs. */
export function waitingKey(prefix: string, name: QueueName): string {
  return `${prefix}:${name}:wait`
}

/** The key of one job: it exists as long as the job does. */
export function jobKey(prefix: string, name: QueueName, jobId: string): string {
  return `${prefix}:${name}:${jobId}`
}
