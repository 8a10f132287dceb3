import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { newBatchId } from '../../../../src/shared/contract/ids.ts'
import { enqueueDelivery, enqueueItems, trigger, triggerFeed } from '../../../../src/shared/queues/enqueue.ts'
import { deliverJobId, generateJobId, type BatchJob, type GenerateJob } from '../../../../src/shared/queues/jobs.ts'
import { jobKey, waitingKey } from '../../../../src/shared/queues/open.ts'
import { again, done } from '../../../../src/shared/queues/verdict.ts'
import { eventually } from '../../../support/eventually.ts'
import { newGate, openTestQueues, type TestQueues } from '../../../support/queues.ts'

let test: TestQueues
beforeEach(() => {
  test = openTestQueues()
})
afterEach(async () => {
  await test[Symbol.asyncDispose]()
})

const batch = newBatchId(0, Math.random)
const finish: BatchJob = { v: 1, kind: 'finish', batch }

function generateJob(index: number, more: Partial<GenerateJob> = {}): GenerateJob {
  return {
    v: 1,
    tenant: 'default',
    batch,
    round: 1,
    priority: 'bulk',
    total: 10,
    overwrite: 'changed',
    max_attempts: 3,
    cache_control: null,
    item: {
      index,
      custom_id: `item-${String(index)}`,
      model: 'm',
      prompt: 'p',
      parameters: {},
      fingerprint: 'f',
      key: 'k.png',
      price_nano: 1,
    },
    ...more,
  }
}

const waiting = (queue: Parameters<typeof waitingKey>[1]): Promise<number> =>
  test.redis.llen(waitingKey(test.queues.prefix, queue))

describe('enqueueItems', () => {
  it('puts an item on the queue of its priority, with its line, in order', async () => {
    await enqueueItems(test.queues, 'bulk', [generateJob(3), generateJob(1)])
    expect([await waiting('generate-interactive'), await waiting('generate-bulk')]).toEqual([0, 2])
    const jobs = await test.queues.get('generate-bulk').getWaiting()
    expect(jobs.map((job) => job.data as unknown)).toEqual([generateJob(3), generateJob(1)])
  })

  it('adds an item twice as one job, and a later round as another', async () => {
    await enqueueItems(test.queues, 'bulk', [generateJob(1), generateJob(2)])
    await enqueueItems(test.queues, 'bulk', [generateJob(2), generateJob(1), generateJob(3)])
    expect(await waiting('generate-bulk')).toBe(3)
    await enqueueItems(test.queues, 'bulk', [generateJob(1, { round: 2 })])
    expect(await waiting('generate-bulk')).toBe(4)
  })

  it('leaves a job that is delayed or under way alone', async () => {
    const gate = newGate()
    const runs: BatchJob[] = []
    test.consume(async (job) => {
      runs.push(job)
      await gate.passed
      return again(60_000)
    })
    await test.queues.get('batch').add('x', finish, { jobId: 'one' })
    await eventually(() => runs.length === 1, { what: 'the job' })
    await test.queues.get('batch').add('x', finish, { jobId: 'one' })
    gate.open()
    await eventually(async () => (await test.queues.get('batch').getDelayedCount()) === 1, { what: 'the delay' })
    await test.queues.get('batch').add('x', finish, { jobId: 'one' })
    expect(await test.queues.get('batch').getJobCounts('waiting', 'delayed', 'active')).toEqual({
      waiting: 0,
      delayed: 1,
      active: 0,
    })
  })

  it('leaves a job for as long as the item has one, and no longer: the key says which', async () => {
    const key = jobKey(test.queues.prefix, 'generate-bulk', generateJobId(batch, 7, 1))
    await enqueueItems(test.queues, 'bulk', [generateJob(7)])
    expect(await test.redis.exists(key)).toBe(1)
    await test.queues.get('generate-bulk').remove(generateJobId(batch, 7, 1))
    expect(await test.redis.exists(key)).toBe(0)
  })

  it('takes an empty list', async () => {
    await enqueueItems(test.queues, 'bulk', [])
    expect(await waiting('generate-bulk')).toBe(0)
  })
})

describe('enqueueDelivery', () => {
  it('adds one delivery for an event and endpoint, and one for each endpoint', async () => {
    const job = {
      v: 1 as const,
      event: 'msg_1',
      batch,
      round: 1,
      body: '{}',
      terminal: true,
      attempts_made: 0,
    }
    await enqueueDelivery(test.queues, 'batch', job)
    await enqueueDelivery(test.queues, 'batch', { ...job, body: '{"later":true}' })
    await enqueueDelivery(test.queues, 'other', job)
    expect(await waiting('deliver')).toBe(2)
    const first = await test.queues.get('deliver').getJob(deliverJobId('msg_1', 'batch'))
    expect(first?.data).toEqual(job)
  })
})

describe('trigger', () => {
  it('changes nothing while the same step waits, and adds other steps beside it', async () => {
    for (let at = 0; at < 5; at += 1) await trigger(test.queues, finish)
    expect(await waiting('batch')).toBe(1)
    await trigger(test.queues, { v: 1, kind: 'seal', batch, chunk: 0 })
    await trigger(test.queues, { v: 1, kind: 'seal', batch, chunk: 1 })
    await triggerFeed(test.queues, 'bulk')
    await triggerFeed(test.queues, 'standard')
    await trigger(test.queues, { v: 1, kind: 'relay' })
    expect(await waiting('batch')).toBe(6)
  })

  it('is never lost while the step runs: one more run follows, however many ask', async () => {
    const gates = [newGate(), newGate(), newGate()]
    let runs = 0
    test.consume(
      async () => {
        runs += 1
        await gates[runs - 1]?.passed
        return done
      },
      { concurrency: 4 },
    )
    await trigger(test.queues, finish)
    await eventually(() => runs === 1, { what: 'the first run' })
    for (let at = 0; at < 3; at += 1) await trigger(test.queues, finish)
    expect(runs).toBe(1)
    gates[0]?.open()
    await eventually(() => runs === 2, { what: 'the run that was asked for meanwhile' })
    await trigger(test.queues, finish)
    gates[1]?.open()
    await eventually(() => runs === 3, { what: 'the run that was asked for in the second' })
    gates[2]?.open()
    await eventually(async () => (await test.queues.get('batch').getActiveCount()) === 0, { what: 'the end' })
    expect(await test.queues.get('batch').getJobCounts('waiting', 'delayed', 'active')).toEqual({
      waiting: 0,
      delayed: 0,
      active: 0,
    })
    expect(runs).toBe(3)
  })

  it('is not lost where the run then fails, or puts itself off', async () => {
    for (const how of ['throws', 'comes again'] as const) {
      const gate = newGate()
      let runs = 0
      const consumer = test.consume(
        async () => {
          runs += 1
          if (runs > 1) return done
          await gate.passed
          if (how === 'throws') throw new Error('a fault')
          return again(0)
        },
        { concurrency: 2, random: { number: () => 0, bytes: (count) => Buffer.alloc(count) } },
      )
      await trigger(test.queues, finish)
      await eventually(() => runs === 1, { what: 'the first run' })
      await trigger(test.queues, finish)
      gate.open()
      await eventually(() => runs >= 3, { what: 'its own next run, and the one that was asked for' })
      await consumer.drain()
      expect(runs).toBe(3)
    }
  })

  it('works anew when nothing of the step is left', async () => {
    let runs = 0
    test.consume(async () => {
      runs += 1
      return await Promise.resolve(done)
    })
    for (let at = 1; at <= 3; at += 1) {
      await trigger(test.queues, finish)
      await eventually(() => runs === at, { what: `run ${String(at)}` })
      await eventually(async () => (await test.queues.get('batch').getActiveCount()) === 0, { what: 'its end' })
    }
    expect(runs).toBe(3)
  })

  it('gets through where the step was lost with its queue', async () => {
    await trigger(test.queues, finish)
    await test.redis.del(waitingKey(test.queues.prefix, 'batch'), jobKey(test.queues.prefix, 'batch', '1'))
    await trigger(test.queues, finish)
    expect(await waiting('batch')).toBe(1)
  })

  it('refuses a job that no worker could read', async () => {
    await expect(trigger(test.queues, { v: 2, kind: 'finish', batch } as never)).rejects.toThrow('Invalid input')
    expect(await waiting('batch')).toBe(0)
  })
})
