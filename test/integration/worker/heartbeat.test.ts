import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { systemClock } from '../../../src/shared/process/clock.ts'
import { systemRandom } from '../../../src/shared/process/random.ts'
import type { Redis } from '../../../src/shared/redis/connect.ts'
import { newAttempts, type Attempts, type OpenAttempt } from '../../../src/worker/attempts.ts'
import { startHeartbeat, type Heartbeat } from '../../../src/worker/heartbeat.ts'
import {
  beat,
  claim,
  freshEngine,
  grant,
  newBatch,
  newHold,
  openRedis,
  readFence,
  type Engine,
} from '../../support/engine.ts'
import { eventually } from '../../support/eventually.ts'

let redis: Redis
let engine: Engine
let attempts: Attempts
let errors: Error[]
let heartbeat: Heartbeat | undefined
beforeAll(() => {
  redis = openRedis()
})
afterAll(() => {
  redis.disconnect()
})
beforeEach(async () => {
  engine = await freshEngine(redis)
  attempts = newAttempts(systemRandom)
  errors = []
})
afterEach(async () => {
  await heartbeat?.stop()
  heartbeat = undefined
})

async function start(lockMs = 800, places = 7): Promise<void> {
  heartbeat = await startHeartbeat({
    redis,
    keys: engine.keys,
    clock: systemClock,
    attempts,
    lockMs,
    places: () => places,
    onError: (error) => errors.push(error),
  })
}

/** An attempt of this process that has claimed its item and is calling. */
async function calling(): Promise<OpenAttempt> {
  const manifest = await newBatch(engine, 1, { fed: 1 })
  const { tenant, batch, priority, index, round, stem } = newHold(manifest, 0)
  const attempt = attempts.begin({ tenant, batch, priority, index, round, stem })
  await claim(engine, attempt.hold)
  expect(await grant(engine, attempt.hold)).toBe('granted')
  attempt.calling = true
  attempt.reservedNano = 3_000_000
  return attempt
}

async function leaseMs(): Promise<number> {
  const [seconds, micros] = await redis.time()
  const ends = Number(await redis.zscore(engine.keys.beats, attempts.process))
  return ends - (Number(seconds) * 1000 + Number(micros) / 1000)
}

describe('the heartbeat', () => {
  it('gives its process a lease of three quarters of the lock time, by Redis’ clock, and says what it takes', async () => {
    await start(8000, 5)
    expect(await leaseMs()).toBeGreaterThan(5000)
    expect(await leaseMs()).toBeLessThanOrEqual(6000)
    expect(await redis.hgetall(engine.keys.workers)).toEqual({ [attempts.process]: '5' })
  })

  it('renews it again and again', async () => {
    await start(800)
    const first = await redis.zscore(engine.keys.beats, attempts.process)
    await eventually(async () => (await redis.zscore(engine.keys.beats, attempts.process)) !== first, {
      what: 'a beat',
    })
    expect(errors).toEqual([])
  })

  it('ends at once when it is stopped, so that what the process held is free', async () => {
    await start()
    await heartbeat?.stop()
    expect(await redis.zscore(engine.keys.beats, attempts.process)).toBeNull()
    expect(await redis.hgetall(engine.keys.workers)).toEqual({})
  })

  it('counts no more what the dead could take, and forgets who was gone for an hour', async () => {
    await beat(engine, 'gone', -3_700_000)
    await beat(engine, 'late', -60_000)
    await beat(engine, 'alive', 60_000)
    await redis.hset(engine.keys.workers, 'gone', 3, 'late', 3, 'alive', 3)
    await start()
    const { process } = attempts
    expect(new Set(await redis.zrange(engine.keys.beats, '0', '-1'))).toEqual(new Set(['late', 'alive', process]))
    expect(await redis.hgetall(engine.keys.workers)).toEqual({ alive: '3', [process]: '7' })
  })
})

describe('the fences of what runs', () => {
  it('are put back where Redis has forgotten them with the lease: lease first', async () => {
    const attempt = await calling()
    const fence = await readFence(engine, attempt.hold)
    await start()
    await redis.del(engine.keys.beats, engine.keys.fence(attempt.hold.tenant, attempt.hold.stem))
    await eventually(async () => 'process' in (await readFence(engine, attempt.hold)), { what: 'the fence' })
    expect(await readFence(engine, attempt.hold)).toEqual(fence)
    expect(await leaseMs()).toBeGreaterThan(0)
    expect(await redis.pttl(engine.keys.fence(attempt.hold.tenant, attempt.hold.stem))).toBeGreaterThan(0)
  })

  it('are put back after a cut, though the lease is still there: Redis may have lost its last second', async () => {
    const attempt = await calling()
    await start()
    await redis.del(engine.keys.fence(attempt.hold.tenant, attempt.hold.stem))
    redis.stream.destroy()
    await eventually(async () => 'process' in (await readFence(engine, attempt.hold)), { what: 'the fence' })
    expect(await claim(engine, newHold(await newBatch(engine, 1), 0, { stem: attempt.hold.stem }))).toEqual({
      kind: 'held',
    })
  })

  it('stay as they are where Redis has them, or another holds the key by now', async () => {
    const [mine, taken] = [await calling(), await calling()]
    await start()
    await redis.hset(engine.keys.fence(taken.hold.tenant, taken.hold.stem), 'process', 'another', 'attempt', 'theirs')
    await redis.hset(engine.keys.fence(mine.hold.tenant, mine.hold.stem), 'url', 'https://cdn.example/shoe.png')
    const before = [await readFence(engine, mine.hold), await readFence(engine, taken.hold)]
    await redis.del(engine.keys.beats)
    await eventually(async () => (await redis.exists(engine.keys.beats)) === 1, { what: 'a beat' })
    const settled = await redis.zscore(engine.keys.beats, attempts.process)
    await eventually(async () => (await redis.zscore(engine.keys.beats, attempts.process)) !== settled, {
      what: 'the next',
    })
    expect([await readFence(engine, mine.hold), await readFence(engine, taken.hold)]).toEqual(before)
  })

  it('of what has ended are not put back', async () => {
    const attempt = await calling()
    attempts.end(attempt)
    await start()
    await redis.del(engine.keys.beats, engine.keys.fence(attempt.hold.tenant, attempt.hold.stem))
    await eventually(async () => (await redis.exists(engine.keys.beats)) === 1, { what: 'a beat' })
    const settled = await redis.zscore(engine.keys.beats, attempts.process)
    await eventually(async () => (await redis.zscore(engine.keys.beats, attempts.process)) !== settled, {
      what: 'the next',
    })
    expect(await readFence(engine, attempt.hold)).toEqual({})
  })

  it('say what they said: not calling, or with the URL of an answer', async () => {
    const attempt = await calling()
    attempt.calling = false
    attempt.url = 'https://cdn.example/shoe.png'
    await start()
    await redis.del(engine.keys.beats, engine.keys.fence(attempt.hold.tenant, attempt.hold.stem))
    await eventually(async () => 'process' in (await readFence(engine, attempt.hold)), { what: 'the fence' })
    const fence = await readFence(engine, attempt.hold)
    expect(fence).toMatchObject({ url: 'https://cdn.example/shoe.png', index: '0', round: '1' })
    expect(fence).not.toHaveProperty('calling')
  })
})
