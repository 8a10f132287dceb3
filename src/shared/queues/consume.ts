import { DelayedError, Worker, type Job } from 'bullmq'
import type { z } from 'zod'
import type { Clock } from '../process/clock.ts'
import type { Random } from '../process/random.ts'
import type { Redis } from '../redis/connect.ts'
import type { QueueName } from './jobs.ts'
import type { Verdict } from './verdict.ts'

/** The one place that turns a verdict into the engine's verbs. */

export interface ConsumerParts {
  readonly redis: Redis
  readonly prefix: string
  readonly lockMs: number
  readonly clock: Clock
  readonly random: Random
  readonly onError: (queue: QueueName, error: Error) => void
}

export interface ConsumerOptions<Data> {
  readonly queue: QueueName
  readonly data: z.ZodType<Data>
  readonly concurrency: number
  /**
   * Does the job and says what shall happen next. What it throws is a fault of ours or of Redis: the job comes again.
   */
  readonly handle: (data: Data) => Promise<Verdict>
}

export interface Consumer {
  setConcurrency(count: number): void
  /** Takes nothing new and resolves when what runs has ended. */
  drain(): Promise<void>
  /** Ends at once; what still runs goes on in this process, and comes again elsewhere. */
  close(): Promise<void>
}

/** A job that cannot be read waits for a worker that can: a newer release may have written it. */
const unreadableAgainMs = 30_000

export function startConsumer<Data>(parts: ConsumerParts, options: ConsumerOptions<Data>): Consumer {
  const { clock, random } = parts
  async function process(job: Job, token: string | undefined): Promise<void> {
    const data = options.data.safeParse(job.data)
    if (!data.success) {
      parts.onError(
        options.queue,
        new Error(`job ${String(job.id)} is not of a known version: left for another worker`),
      )
      return await comeAgain(job, token, clock.now() + unreadableAgainMs)
    }
    const verdict = await options.handle(data.data)
    if (verdict.kind === 'done') return
    if (verdict.data !== undefined) await job.updateData(options.data.parse(verdict.data))
    await comeAgain(job, token, clock.now() + verdict.afterMs)
  }

  const worker = new Worker(options.queue, process, {
    connection: parts.redis,
    prefix: parts.prefix,
    concurrency: options.concurrency,
    lockDuration: parts.lockMs,
    lockRenewTime: Math.floor(parts.lockMs / 4),
    // Whole milliseconds: Redis refuses fractions, and then nobody looks for stalled jobs.
    stalledInterval: Math.floor(parts.lockMs / 16),
    // Two kills of one job are no fault of the job: attempts are counted by our own scripts.
    maxStalledCount: 1000,
    settings: { backoffStrategy: (made: number) => fullJitter(made, random) },
  })
  worker.on('error', (error) => {
    parts.onError(options.queue, error)
  })
  worker.on('failed', (job, error) => {
    parts.onError(options.queue, new Error(`job ${String(job?.id)} threw`, { cause: error }))
  })
  return {
    setConcurrency(count) {
      worker.concurrency = count
    },
    drain: () => worker.close(),
    close: () => worker.close(true),
  }
}

async function comeAgain(job: Job, token: string | undefined, atMs: number): Promise<never> {
  await job.moveToDelayed(atMs, token)
  throw new DelayedError()
}

/** 0 to 1 s, then to 2 s, 4 s, ... 60 s (AWS Builders' Library, "full jitter"). */
function fullJitter(made: number, random: Random): number {
  return Math.ceil(random.number() * Math.min(60_000, 1000 * 2 ** Math.min(made - 1, 6)))
}
