import { afterEach, beforeEach, describe, expect, inject, it } from 'vitest'
import { randomBytes } from 'node:crypto'
import { systemClock, type Clock } from '../../../src/shared/process/clock.ts'
import { systemRandom } from '../../../src/shared/process/random.ts'
import { connect, type Redis } from '../../../src/shared/redis/connect.ts'
import { newKeys, type Keys } from '../../../src/shared/redis/keys.ts'
import { watchEpoch, type Epoch } from '../../../src/worker/epoch.ts'
import type { Rebuilt } from '../../../src/worker/rebuild.ts'
import { eventually } from '../../support/eventually.ts'
import { openRedis } from '../../support/engine.ts'

const lockMs = 8000
let redis: Redis
let keys: Keys
let epochs: Epoch[]
let errors: Error[]
let rebuilds: number
beforeEach(() => {
  redis = openRedis()
  keys = newKeys(`{t-${randomBytes(6).toString('hex')}}`)
  epochs = []
  errors = []
  rebuilds = 0
})
afterEach(() => {
  for (const epoch of epochs) epoch.stop()
  redis.disconnect()
})

interface Watched {
  readonly epoch: Epoch
  readonly guarded: Redis
}

function watch(
  rebuilt: () => Promise<Rebuilt> = () => Promise.resolve({ live: 0, created: 0, lost: 0 }),
  clock: Clock = systemClock,
): Watched {
  const guarded = connect(inject('redisUrl'), 'guarded', () => undefined)
  const epoch = watchEpoch({
    redis: guarded,
    keys,
    clock,
    random: systemRandom,
    lockMs,
    rebuild() {
      rebuilds += 1
      return rebuilt()
    },
    onError: (error) => errors.push(error),
  })
  epochs.push(epoch)
  return { epoch, guarded }
}

async function currentRunId(): Promise<string> {
  return /run_id:(\w+)/.exec(await redis.info('server'))?.[1] ?? ''
}

const ask = (epoch: Epoch): Promise<string> => epoch.guarded((_, runId) => Promise.resolve(runId))
const quietMs = async (): Promise<number> => {
  const [seconds] = await redis.time()
  return Number(await redis.hget(keys.epoch, 'quiet_until_ms')) - Number(seconds) * 1000
}

describe('the epoch', () => {
  it('lets nothing through before Redis was held against the ledger', async () => {
    const { promise, resolve } = Promise.withResolvers<Rebuilt>()
    const { epoch } = watch(() => promise)
    await eventually(() => rebuilds === 1, { what: 'the rebuild' })
    await expect(ask(epoch)).rejects.toMatchObject({ class: 'engine_away' })
    expect(await redis.hget(keys.epoch, 'run_id')).toBeNull()
    resolve({ live: 0, created: 0, lost: 0 })
    await epoch.known
    expect(await ask(epoch)).toBe(await currentRunId())
    expect(await redis.hget(keys.epoch, 'run_id')).toBe(await currentRunId())
  })

  it('lets a process claim at once that finds a Redis which was held against it', async () => {
    await watch().epoch.known
    const { epoch } = watch()
    await epoch.known
    expect(rebuilds).toBe(1)
    expect(await ask(epoch)).toBe(await currentRunId())
  })

  it('is set by one of many who start at once', async () => {
    const all = [watch(), watch(), watch()]
    await Promise.all(all.map(({ epoch }) => epoch.known))
    expect(rebuilds).toBe(1)
    expect(await redis.exists(keys.lease('rebuild'))).toBe(0)
  })

  it('is not set again, and no quiet time ended, by one who comes just too late', async () => {
    // It has seen that there is no epoch; another is through with the rebuild before it has the lease.
    const guarded = connect(inject('redisUrl'), 'guarded', () => undefined)
    const { promise, resolve } = Promise.withResolvers<undefined>()
    const late = new Proxy(guarded, {
      get(target, name) {
        const value: unknown = Reflect.get(target, name)
        if (name === 'set') return async (...call: Parameters<Redis['set']>) => promise.then(() => target.set(...call))
        return typeof value === 'function' ? (value.bind(target) as unknown) : value
      },
    })
    const second = watchEpoch({
      redis: late,
      keys,
      clock: systemClock,
      random: systemRandom,
      lockMs,
      rebuild: () => Promise.reject(new Error('a second rebuild')),
      onError: (error) => errors.push(error),
    })
    epochs.push(second)
    await eventually(() => guarded.status === 'ready', { what: 'the connection' })
    await watch(() => Promise.resolve({ live: 1, created: 1, lost: 1 })).epoch.known
    resolve(undefined)
    await second.known
    expect([errors, rebuilds]).toEqual([[], 1])
    expect(await quietMs()).toBeGreaterThan(lockMs - 3000)
    expect(await redis.exists(keys.lease('rebuild'))).toBe(0)
  })

  it('keeps its quiet time where two rebuild all the same', async () => {
    await redis.hset(keys.epoch, 'run_id', 'an-older-run', 'quiet_until_ms', 0)
    const { promise, resolve } = Promise.withResolvers<Rebuilt>()
    const slow = watch(() => promise)
    await eventually(() => rebuilds === 1, { what: 'the first rebuild' })
    await redis.del(keys.lease('rebuild')) // it takes longer than its lease
    await watch(() => Promise.resolve({ live: 1, created: 0, lost: 0 })).epoch.known
    resolve({ live: 0, created: 0, lost: 0 })
    await slow.epoch.known
    expect(rebuilds).toBe(2)
    expect(await quietMs()).toBeGreaterThan(lockMs - 3000)
  })

  it('is looked at anew when it is asked to: a FLUSHALL cuts no connection', async () => {
    const { epoch } = watch()
    await epoch.known
    await redis.del(keys.epoch)
    await epoch.check()
    expect(rebuilds).toBe(2)
    expect(await redis.hget(keys.epoch, 'run_id')).toBe(await currentRunId())
  })

  it.each([
    ['that is empty and stays so, there is nothing to wait for', undefined, { live: 0, created: 0, lost: 0 }, false],
    ['that is empty beside new batches, neither', undefined, { live: 2, created: 0, lost: 0 }, false],
    ['that lost batches, the living speak first', undefined, { live: 2, created: 1, lost: 1 }, true],
    [
      'that came back older, the living speak first, whatever it has',
      'an-older-run',
      { live: 1, created: 0, lost: 0 },
      true,
    ],
    [
      'that came back older without a live batch, there is nothing to wait for',
      'an-older-run',
      { live: 0, created: 0, lost: 0 },
      false,
    ],
  ])('in a Redis %s', async (_, before, rebuilt, quiet) => {
    if (before !== undefined) await redis.hset(keys.epoch, 'run_id', before, 'quiet_until_ms', 0)
    await watch(() => Promise.resolve(rebuilt)).epoch.known
    const leftMs = await quietMs()
    if (quiet) expect(leftMs > lockMs - 3000 && leftMs <= lockMs + 1000).toBe(true)
    else expect(leftMs).toBeLessThanOrEqual(1000)
  })

  it('is tried again soon where the rebuild fails', async () => {
    let failures = 1
    const { epoch } = watch(
      () => {
        failures -= 1
        return failures >= 0
          ? Promise.reject(new Error('S3 is away'))
          : Promise.resolve({ live: 0, created: 0, lost: 0 })
      },
      { ...systemClock, sleep: (ms, signal) => systemClock.sleep(ms / 20, signal) },
    )
    await epoch.known
    expect(errors.map(({ message }) => message)).toEqual(['S3 is away'])
  })
})

describe('after a cut', () => {
  it('nothing is sent before the run of the new connection was compared, and then all is well', async () => {
    const { epoch, guarded } = watch()
    await epoch.known
    guarded.stream.destroy()
    await eventually(() => guarded.status !== 'ready', { what: 'the cut' })
    await expect(ask(epoch)).rejects.toMatchObject({ class: 'engine_away' })
    await eventually(() => ask(epoch), { what: 'the way back' })
    expect(rebuilds).toBe(1)
  })

  it('of more than half a lease, this process claims nothing for one: others may take it for dead', async () => {
    let skippedMs = 0
    const clock: Clock = { ...systemClock, monotonic: () => systemClock.monotonic() + skippedMs }
    const { epoch, guarded } = watch(undefined, clock)
    await epoch.known
    guarded.stream.destroy()
    await eventually(() => guarded.status !== 'ready', { what: 'the cut' })
    skippedMs += lockMs / 2 + 1
    await eventually(() => guarded.status === 'ready', { what: 'the connection' })
    await epoch.check()
    await expect(ask(epoch)).rejects.toMatchObject({ class: 'engine_away' })
    skippedMs += lockMs - 1000
    await expect(ask(epoch)).rejects.toMatchObject({ class: 'engine_away' })
    skippedMs += 1001
    expect(await ask(epoch)).toBe(await currentRunId())
  })

  it('an error of Redis is told as one of the engine', async () => {
    const { epoch } = watch()
    await epoch.known
    const failing = epoch.guarded(() => Promise.reject(new Error('Command timed out')))
    await expect(failing).rejects.toMatchObject({ class: 'engine_away', cause: new Error('Command timed out') })
  })
})
