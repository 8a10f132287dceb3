import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { freePort } from '../../../../src/dev/ports.ts'
import { startRedis, type Redis as RedisProgram } from '../../../../src/dev/redis.ts'
import { systemClock } from '../../../../src/shared/process/clock.ts'
import { systemRandom } from '../../../../src/shared/process/random.ts'
import { startConsumer } from '../../../../src/shared/queues/consume.ts'
import { triggerFeed } from '../../../../src/shared/queues/enqueue.ts'
import { batchJob } from '../../../../src/shared/queues/jobs.ts'
import { openQueues, type Queues } from '../../../../src/shared/queues/open.ts'
import { done } from '../../../../src/shared/queues/verdict.ts'
import { connect, type ConnectionKind, type Redis } from '../../../../src/shared/redis/connect.ts'
import { eventually } from '../../../support/eventually.ts'

// A Redis of this file's own, since it is stopped, killed and hung.

let folder: string
let port: number
let opened: (Redis | RedisProgram | Queues)[]

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'queues-test-'))
  port = await freePort()
  opened = []
})
afterEach(async () => {
  for (const part of opened.toReversed()) {
    if ('disconnect' in part) part.disconnect()
    else if ('stop' in part) await part.stop()
    else await part.close().catch(() => undefined)
  }
  await rm(folder, { recursive: true, force: true })
})

async function start(): Promise<RedisProgram> {
  const program = await startRedis({ folder, port })
  opened.push(program)
  return program
}

function open(kind: ConnectionKind): Redis {
  const redis = connect(`redis://127.0.0.1:${String(port)}`, kind, () => undefined)
  opened.push(redis)
  return redis
}

function openApiQueues(): Queues {
  const queues = openQueues(open('api'), '{cw}', () => undefined)
  opened.push(queues)
  return queues
}

/** How long a trigger takes, and whether it got through. */
async function tryTrigger(queues: Queues): Promise<{ failed: boolean; tookMs: number }> {
  const began = performance.now()
  const failed = await triggerFeed(queues, 'bulk').then(
    () => false,
    () => true,
  )
  return { failed, tookMs: performance.now() - began }
}

/** Ends when the queue is reachable again; each try on the way there must fail soon. */
async function recovers(queues: Queues): Promise<void> {
  await eventually(
    async () => {
      const { failed, tookMs } = await tryTrigger(queues)
      expect(tookMs).toBeLessThan(4000)
      return !failed
    },
    { what: 'the queue', withinMs: 10_000 },
  )
}

describe("the API's queues", () => {
  it('fail at once where Redis was never there, and work when it comes', async () => {
    const queues = openApiQueues()
    const { failed, tookMs } = await tryTrigger(queues)
    expect([failed, tookMs < 1400]).toEqual([true, true])
    await start()
    await recovers(queues)
  })

  it('fail at once where Redis has gone, and work when it is back', async () => {
    const program = await start()
    const queues = openApiQueues()
    await recovers(queues)
    await program.stop()
    for (let at = 0; at < 3; at += 1) {
      const { failed, tookMs } = await tryTrigger(queues)
      expect([failed, tookMs < 1400]).toEqual([true, true])
    }
    await start()
    await recovers(queues)
  })

  it('fail within two seconds where Redis hangs, and work when it goes on', async () => {
    const program = await start()
    const queues = openApiQueues()
    await recovers(queues)
    process.kill(program.pid, 'SIGSTOP')
    const { failed, tookMs } = await tryTrigger(queues)
    process.kill(program.pid, 'SIGCONT')
    expect(failed).toBe(true)
    expect(tookMs).toBeLessThan(4000)
    await recovers(queues)
  })
})

describe('a consumer', () => {
  function consume(): { runs: () => number } {
    let runs = 0
    const redis = open('engine')
    const consumer = startConsumer(
      {
        redis,
        prefix: '{cw}',
        lockMs: 4000,
        clock: systemClock,
        random: systemRandom,
        onError: () => undefined,
      },
      {
        queue: 'batch',
        data: batchJob,
        concurrency: 2,
        handle: async () => {
          runs += 1
          return await Promise.resolve(done)
        },
      },
    )
    opened.push({ prefix: '', get: () => undefined as never, close: () => consumer.close() })
    return { runs: () => runs }
  }

  it('that starts before Redis does goes to work when it is there', async () => {
    const { runs } = consume()
    const queues = openApiQueues()
    await start()
    await recovers(queues)
    await eventually(() => runs() > 0, { what: 'a run', withinMs: 10_000 })
    expect(await queues.get('batch').count()).toBe(0)
  })

  it('goes on where Redis has gone and is back, with what it had', async () => {
    const program = await start()
    const queues = openQueues(open('own'), '{cw}', () => undefined)
    opened.push(queues)
    const { runs } = consume()
    await triggerFeed(queues, 'bulk')
    await eventually(() => runs() === 1, { what: 'the first job' })
    await queues.get('batch').add('test', { v: 1, kind: 'relay' }, { delay: 300 })
    await program.stop()
    await start()
    await eventually(() => runs() === 2, { what: 'the job that had been delayed', withinMs: 15_000 })
    await triggerFeed(queues, 'bulk')
    await eventually(() => runs() === 3, { what: 'a new job' })
    expect(await queues.get('batch').count()).toBe(0)
  })
})

describe('a connection', () => {
  it('for the engine has no time limit on its commands: one that hits while a job ends runs it twice', () => {
    expect(open('engine').options).toMatchObject({ maxRetriesPerRequest: null, enableOfflineQueue: true })
    expect(open('engine').options.commandTimeout).toBeUndefined()
  })

  it('for claims and grants sends nothing that waited for a connection, and nothing twice', async () => {
    const guarded = open('guarded')
    await expect(guarded.incr('sent')).rejects.toThrow('writeable')
    const program = await start()
    await eventually(() => guarded.status === 'ready', { what: 'the connection' })
    expect(await guarded.get('sent')).toBeNull()
    process.kill(program.pid, 'SIGSTOP')
    const asked = guarded.incr('sent').then(
      () => 'answered',
      () => 'failed',
    )
    guarded.stream.destroy()
    process.kill(program.pid, 'SIGCONT')
    expect(await asked).toBe('failed')
    await eventually(() => guarded.status === 'ready', { what: 'the connection' })
    expect(Number((await guarded.get('sent')) ?? 0)).toBeLessThanOrEqual(1)
  })

  it('of our own waits for Redis to come', async () => {
    const asked = open('own').incr('counted')
    await start()
    expect(await asked).toBe(1)
  })
})
