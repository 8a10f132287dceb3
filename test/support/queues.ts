import { randomBytes } from 'node:crypto'
import { inject } from 'vitest'
import type { z } from 'zod'
import { systemClock } from '../../src/shared/process/clock.ts'
import { systemRandom } from '../../src/shared/process/random.ts'
import type { Random } from '../../src/shared/process/random.ts'
import { startConsumer, type Consumer } from '../../src/shared/queues/consume.ts'
import { batchJob, type BatchJob, type QueueName } from '../../src/shared/queues/jobs.ts'
import { openQueues, type Queues } from '../../src/shared/queues/open.ts'
import type { Verdict } from '../../src/shared/queues/verdict.ts'
import { connect, type Redis } from '../../src/shared/redis/connect.ts'

/** Queues under a prefix that no other test has, and consumers of them; all of it ends with the test. */
export interface TestQueues extends AsyncDisposable {
  readonly redis: Redis
  readonly queues: Queues
  /** What the engine told of faults. */
  readonly errors: Error[]
  /** Consumes the queue `batch`, unless another is named. */
  consume(handle: (job: BatchJob) => Promise<Verdict>, more?: ConsumeOptions): Consumer
}

export interface ConsumeOptions {
  readonly concurrency?: number
  readonly lockMs?: number
  readonly random?: Random
  readonly queue?: QueueName
  readonly data?: z.ZodType<BatchJob>
}

export function openTestQueues(): TestQueues {
  const errors: Error[] = []
  const redis = connect(inject('redisUrl'), 'engine', (error) => errors.push(error))
  const prefix = `{t-${randomBytes(6).toString('hex')}}`
  const queues = openQueues(redis, prefix, (error) => errors.push(error))
  const consumers: Consumer[] = []
  return {
    redis,
    queues,
    errors,
    consume(handle, { concurrency = 1, lockMs = 8000, random = systemRandom, queue = 'batch', data = batchJob } = {}) {
      const consumer = startConsumer(
        { redis, prefix, lockMs, clock: systemClock, random, onError: (_, error) => errors.push(error) },
        { queue, data, concurrency, handle },
      )
      consumers.push(consumer)
      return consumer
    },
    async [Symbol.asyncDispose]() {
      await Promise.all(consumers.map((consumer) => consumer.close()))
      await queues.close()
      redis.disconnect()
    },
  }
}

/** Work that waits until the test lets it go on. */
export function newGate(): { readonly passed: Promise<void>; open(): void } {
  const { promise, resolve } = Promise.withResolvers<undefined>()
  return {
    passed: promise,
    open() {
      resolve(undefined)
    },
  }
}
