import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { newBatchId } from '../../../../src/shared/contract/ids.ts'
import { deliverJob, type BatchJob } from '../../../../src/shared/queues/jobs.ts'
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
const seal = (chunk: number): BatchJob => ({ v: 1, kind: 'seal', batch, chunk })
const zero = { number: () => 0, bytes: (count: number) => Buffer.alloc(count) }

async function add(job: object, jobId: string, more: { attempts?: number } = {}): Promise<void> {
  await test.queues.get('batch').add('test', job, { jobId, ...more })
}

const jobOf = (id: string) => test.queues.get('batch').getJob(id)

async function gone(id: string): Promise<void> {
  await eventually(async () => (await jobOf(id)) === undefined, { what: `the end of ${id}` })
}

describe('a job', () => {
  it('is gone when it is done, so that its id is free', async () => {
    const runs: BatchJob[] = []
    test.consume(async (job) => {
      runs.push(job)
      return await Promise.resolve(done)
    })
    for (const chunk of [1, 2]) {
      await add(seal(chunk), 'one')
      await eventually(() => runs.length === chunk, { what: 'the run' })
      await gone('one')
    }
    expect(runs).toEqual([seal(1), seal(2)])
    expect(test.errors).toEqual([])
  })

  it('is gone even when it failed for good, so that its id is free', async () => {
    let runs = 0
    test.consume(() => {
      runs += 1
      return Promise.reject(new Error('a fault'))
    })
    for (const run of [1, 2]) {
      await add(seal(0), 'one', { attempts: 1 })
      await eventually(() => runs === run, { what: 'the run' })
      await gone('one')
    }
    expect(test.errors.map(({ message }) => message)).toEqual(['job one threw', 'job one threw'])
  })

  it('comes again after it threw, as often as that may be, and later each time: up to a minute, with full jitter', async () => {
    const delays: number[] = []
    test.consume(() => Promise.reject(new Error('a fault')), { random: { ...zero, number: () => 0.999 } })
    await add(seal(0), 'one')
    for (let made = 1; made <= 9; made += 1) {
      const job = await eventually(
        async () => {
          const found = await jobOf('one')
          return found?.attemptsMade === made && (await found.isDelayed()) ? found : undefined
        },
        { what: `failure ${String(made)}` },
      )
      delays.push(job.delay)
      await job.promote()
    }
    expect(delays).toEqual([1000, 2, 4, 8, 16, 32, 60, 60, 60].map((s) => (s === 1000 ? 999 : s * 999)))
  })

  it('has 1,000 attempts before the engine gives it up: ours are counted by our own scripts', async () => {
    await add(seal(0), 'one')
    expect((await jobOf('one'))?.opts).toMatchObject({ attempts: 1000, removeOnComplete: true, removeOnFail: true })
  })

  it('keeps its place and uses no attempt when it comes again later', async () => {
    const times: number[] = []
    test.consume(async () => {
      times.push(performance.now())
      return await Promise.resolve(times.length < 4 ? again(30) : done)
    })
    await add(seal(0), 'one')
    await eventually(() => times.length === 2, { what: 'the second run' })
    expect((await jobOf('one'))?.attemptsMade ?? 0).toBe(0)
    await gone('one')
    expect(times).toHaveLength(4)
    const waits = times.slice(1).map((at, place) => at - (times[place] ?? 0))
    expect(Math.min(...waits)).toBeGreaterThanOrEqual(29)
    // An engine that does not know its Redis' version rounds every wait up to whole seconds.
    expect((times.at(-1) ?? 0) - (times[0] ?? 0)).toBeLessThan(1500)
    expect(test.errors).toEqual([])
  })

  it('comes again with other data where the verdict says so, and only with data that can be read', async () => {
    const runs: BatchJob[] = []
    test.consume(
      async (job) => {
        runs.push(job)
        if (runs.length === 1) return await Promise.resolve(again(0, seal(8)))
        if (runs.length === 2) return again(0, { v: 99 })
        return done
      },
      { random: zero },
    )
    await add(seal(7), 'one')
    await gone('one')
    expect(runs).toEqual([seal(7), seal(8), seal(8)])
    expect(test.errors.map(({ message }) => message)).toEqual(['job one threw'])
  })

  it('that cannot be read is left for a worker that can, and nothing is done with it', async () => {
    const runs: BatchJob[] = []
    test.consume(async (job) => {
      runs.push(job)
      return await Promise.resolve(done)
    })
    await add({ ...seal(0), v: 2 }, 'newer')
    await add(seal(1), 'readable')
    await eventually(() => runs.length === 1, { what: 'the job that can be read' })
    const job = await eventually(
      async () => {
        const found = await jobOf('newer')
        return (await found?.isDelayed()) === true ? found : undefined
      },
      { what: 'the delay' },
    )
    expect(runs).toEqual([seal(1)])
    expect(job.attemptsMade).toBe(0)
    expect(job.data).toEqual({ ...seal(0), v: 2 })
    expect(job.delay).toBeGreaterThan(29_000)
    expect(test.errors.map(({ message }) => message)).toEqual([
      'job newer is not of a known version: left for another worker',
    ])
  })

  it('runs though its worker died under it again and again: that is no fault of the job', async () => {
    let runs = 0
    for (let kill = 1; kill <= 3; kill += 1) {
      const hanging = test.consume(
        async () => {
          runs += 1
          return await new Promise(() => undefined)
        },
        { lockMs: 320 },
      )
      if (kill === 1) await add(seal(0), 'one')
      await eventually(() => runs === kill, { what: `run ${String(kill)}` })
      await hanging.close()
    }
    test.consume(
      async () => {
        runs += 1
        return await Promise.resolve(done)
      },
      { lockMs: 320 },
    )
    await gone('one')
    expect(runs).toBe(4)
    expect(test.errors).toEqual([])
  })

  it('may run twice at once where its lock was lost, and the consumer bears it', async () => {
    const gate = newGate()
    const runs = { one: 0, two: 0 }
    test.consume(
      async (job) => {
        if (job.kind === 'seal' && job.chunk === 2) runs.two += 1
        else {
          runs.one += 1
          if (runs.one === 1) await gate.passed
        }
        return done
      },
      { concurrency: 2, lockMs: 320 },
    )
    await add(seal(1), 'one')
    await eventually(() => runs.one === 1, { what: 'the first run' })
    await eventually(
      async () => {
        if (runs.one === 1) await test.redis.del(`${test.queues.prefix}:batch:one:lock`)
        return runs.one > 1
      },
      { what: 'the second run' },
    )
    gate.open()
    await add(seal(2), 'two')
    await gone('two')
    await gone('one')
    expect(runs.two).toBe(1)
  })
})

describe('a consumer', () => {
  it('takes as many jobs at once as it is told to, and follows a change with the next job', async () => {
    const [first, gate] = [newGate(), newGate()]
    let started = 0
    const consumer = test.consume(async () => {
      started += 1
      await (started === 1 ? first : gate).passed
      return done
    })
    for (let at = 0; at < 5; at += 1) await add(seal(at), `job-${String(at)}`)
    await eventually(() => started === 1, { what: 'the first job' })
    consumer.setConcurrency(3)
    first.open()
    await eventually(() => started === 4, { what: 'three jobs at once' })
    expect(await test.queues.get('batch').getActiveCount()).toBe(3)
    gate.open()
    for (let at = 0; at < 5; at += 1) await gone(`job-${String(at)}`)
  })

  it('takes nothing new when it drains, and waits for what runs', async () => {
    const gate = newGate()
    let runs = 0
    const consumer = test.consume(async () => {
      runs += 1
      await gate.passed
      return done
    })
    await add(seal(0), 'one')
    await eventually(() => runs === 1, { what: 'the job' })
    let drained = false
    const drain = consumer.drain().then(() => {
      drained = true
    })
    await add(seal(1), 'two')
    expect(drained).toBe(false)
    gate.open()
    await drain
    expect(runs).toBe(1)
    expect(await jobOf('one')).toBeUndefined()
    expect(await (await jobOf('two'))?.isWaiting()).toBe(true)
  })

  it('ends at once when it is closed, whatever runs', async () => {
    let runs = 0
    const consumer = test.consume(async () => {
      runs += 1
      return await new Promise(() => undefined)
    })
    await add(seal(0), 'one')
    await eventually(() => runs === 1, { what: 'the job' })
    await consumer.close()
    expect(await (await jobOf('one'))?.isActive()).toBe(true)
  })

  it('gives each of its runs the data as the schema says, and no more', async () => {
    const runs: unknown[] = []
    test.consume(
      async (job) => {
        runs.push(job)
        return await Promise.resolve(done)
      },
      { data: deliverJob as never },
    )
    const job = { v: 1, event: 'e', batch, round: 1, body: '{}', terminal: true, attempts_made: 0 }
    await add({ ...job, surplus: 'x' }, 'one')
    await gone('one')
    expect(runs).toEqual([job])
  })
})
