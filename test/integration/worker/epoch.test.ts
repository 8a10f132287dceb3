import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { systemClock, type Clock } from '../../../src/shared/process/clock.ts'
import { systemRandom } from '../../../src/shared/process/random.ts'
import { connect, type Redis } from '../../../src/shared/redis/connect.ts'
import { newKeys, type Keys } from '../../../src/shared/redis/keys.ts'
import { watchEpoch, type Epoch } from '../../../src/worker/epoch.ts'
import type { Rebuilt } from '../../../src/worker/rebuild.ts'
import { eventually } from '../../support/eventually.ts'
import { startOwnRedis, type OwnRedis } from '../../support/own-redis.ts'

const lockMs = 2000
const nothing: Rebuilt = { live: 0, created: 0, lost: 0 }

let own: OwnRedis
let redis: Redis
let keys: Keys
const watching: { epoch: Epoch; guarded: Redis }[] = []
beforeAll(async () => {
  own = await startOwnRedis()
  redis = connect(own.url, 'own', () => undefined)
}, 60_000)
afterAll(async () => {
  redis.disconnect()
  await own[Symbol.asyncDispose]()
})
let tests = 0
beforeEach(async () => {
  tests += 1
  keys = newKeys(`{t${String(tests)}}`)
  await redis.flushall()
})
afterEach(() => {
  for (const { epoch } of watching.splice(0)) epoch.stop()
})

/** Watches the epoch as a worker does; `rebuild` says what it finds. */
function watch(
  rebuild: () => Promise<Rebuilt> = () => Promise.resolve(nothing),
  clock: Clock = systemClock,
  guarded = connect(own.url, 'guarded', () => undefined),
): Epoch {
  const parts = { redis: guarded, keys, clock, random: systemRandom, lockMs, rebuild, onError: () => undefined }
  const epoch = watchEpoch(parts)
  watching.push({ epoch, guarded })
  return epoch
}

async function realRunId(): Promise<string> {
  return /run_id:(\w+)/.exec(await redis.info('server'))?.[1] ?? ''
}

const epochInRedis = async (): Promise<string | null> => redis.hget(keys.epoch, 'run_id')
const runIdOf = (epoch: Epoch): Promise<string> => epoch.guarded((_, runId) => Promise.resolve(runId))

async function quietMs(): Promise<number> {
  const [seconds, micros] = await redis.time()
  const nowMs = Number(seconds) * 1000 + Number(micros) / 1000
  return Number(await redis.hget(keys.epoch, 'quiet_until_ms')) - nowMs
}

/** A rebuild that waits for the test, and how often it was asked for. */
function gated(found: Rebuilt = nothing) {
  const waiting: (() => void)[] = []
  let asked = 0
  return {
    asked: () => asked,
    rebuild: async (): Promise<Rebuilt> => {
      asked += 1
      await new Promise<void>((resolve) => waiting.push(resolve))
      return found
    },
    async go() {
      await eventually(() => waiting.length > 0, { what: 'a rebuild to wait' })
      waiting.shift()?.()
    },
  }
}

describe('watchEpoch', () => {
  it('holds a Redis that nobody knows against the ledger, and says so in it', async () => {
    let rebuilds = 0
    const epoch = watch(() => {
      rebuilds += 1
      return Promise.resolve(nothing)
    })
    await epoch.known
    expect(rebuilds).toBe(1)
    expect(await epochInRedis()).toBe(await realRunId())
    expect(await runIdOf(epoch)).toBe(await realRunId())
    await epoch.check()
    expect(rebuilds).toBe(1)
  })

  it('lets nothing through before that', async () => {
    const { rebuild, go } = gated()
    const epoch = watch(rebuild)
    await eventually(() => epochInRedis().then(() => true), { what: 'Redis' })
    let sent = false
    const send = (): Promise<unknown> =>
      epoch.guarded(() => {
        sent = true
        return Promise.resolve()
      })
    await expect(send()).rejects.toMatchObject({ class: 'engine_away' })
    expect(sent).toBe(false)
    await go()
    await epoch.known
    await send()
    expect(sent).toBe(true)
  })

  it('asks for no rebuild where another process has made one for this Redis', async () => {
    await watch().known
    let rebuilds = 0
    const epoch = watch(() => {
      rebuilds += 1
      return Promise.resolve(nothing)
    })
    await epoch.known
    expect(rebuilds).toBe(0)
    expect(await runIdOf(epoch)).toBe(await realRunId())
  })

  it('makes one rebuild where many find a Redis that nobody knows', async () => {
    const { rebuild, go, asked } = gated()
    const all = [watch(rebuild), watch(rebuild), watch(rebuild)]
    await go()
    await Promise.all(all.map((epoch) => epoch.known))
    expect(asked()).toBe(1)
  })

  it('comes again where a rebuild failed, soon, and for whoever is there', async () => {
    const failing = watch(() => Promise.reject(new Error('S3 is away')))
    const other = watch()
    await other.known
    await failing.known
    expect(await epochInRedis()).toBe(await realRunId())
  }, 10_000)

  it('finds out about a FLUSHALL, which cuts no connection, when it is asked to check', async () => {
    let rebuilds = 0
    const epoch = watch(() => {
      rebuilds += 1
      return Promise.resolve({ live: 2, created: 2, lost: 2 })
    })
    await epoch.known
    await redis.flushall()
    await epoch.check()
    expect(rebuilds).toBe(2)
    expect(await epochInRedis()).toBe(await realRunId())
  })

  it('gives the living one lease to speak first where Redis has lost a batch, and nobody where there is none', async () => {
    await watch(() => Promise.resolve({ live: 3, created: 0, lost: 0 })).known
    expect(await quietMs()).toBeLessThanOrEqual(0)
    await redis.flushall()
    await watch(() => Promise.resolve({ live: 3, created: 0, lost: 1 })).known
    expect(await quietMs()).toBeGreaterThan(lockMs / 2)
  })

  it('is not known by a rebuild that a FLUSHALL came into the middle of', async () => {
    const { rebuild, go, asked } = gated()
    const epoch = watch(rebuild)
    await eventually(() => asked() === 1, { what: 'a rebuild' })
    await redis.flushall()
    await go()
    await eventually(() => asked() === 2, { what: 'another rebuild' })
    expect(await epochInRedis()).toBeNull()
    await expect(runIdOf(epoch)).rejects.toMatchObject({ class: 'engine_away' })
    await go()
    await epoch.known
    expect(await epochInRedis()).toBe(await realRunId())
  })

  it('is not known by a rebuild that another one, later begun, has overtaken; the later one counts', async () => {
    const slow = gated()
    const first = watch(slow.rebuild)
    await eventually(() => slow.asked() === 1, { what: 'a rebuild' })
    await redis.flushall()
    await watch().known
    await slow.go()
    await first.known
    expect(slow.asked()).toBe(1)
    expect(await runIdOf(first)).toBe(await realRunId())
  })
})

describe('a Redis that comes back', () => {
  it('is another one, held against the ledger anew; what may have been under way is given one lease', async () => {
    let rebuilds = 0
    const epoch = watch(() => {
      rebuilds += 1
      return Promise.resolve({ live: 1, created: 0, lost: 0 })
    })
    await epoch.known
    const before = await realRunId()
    await restart()
    await eventually(() => runIdOf(epoch).then((runId) => runId !== before), { what: 'the new run', withinMs: 15_000 })
    expect(rebuilds).toBe(2)
    expect(await epochInRedis()).toBe(await realRunId())
    expect(await quietMs()).toBeGreaterThan(0)
  })

  it('gets nothing that was sent to the one before, nor anything before it was compared', async () => {
    const { rebuild, go, asked } = gated()
    const epoch = watch(rebuild)
    await go()
    await epoch.known
    const incr = (name: string): Promise<unknown> => epoch.guarded((guarded) => guarded.incr(name))
    await redis.call('CLIENT', 'PAUSE', '60000', 'ALL')
    const unanswered = incr('unanswered').then(
      () => 'answered',
      (error: unknown) => error,
    )
    await restart()
    expect(await unanswered).toMatchObject({ class: 'engine_away' })
    await eventually(() => asked() === 2, { what: 'the rebuild', withinMs: 15_000 })
    for (let at = 0; at < 20; at += 1) await expect(incr('early')).rejects.toMatchObject({ class: 'engine_away' })
    expect(await redis.exists('unanswered', 'early')).toBe(0)
    await go()
    await eventually(() => incr('late').then(() => true), { what: 'the new run' })
    expect(await redis.exists('unanswered', 'early')).toBe(0)
  })

  it('is not known by a rebuild of the one before, in the middle of which it came', async () => {
    const { rebuild, go, asked } = gated()
    const epoch = watch(rebuild)
    await eventually(() => asked() === 1, { what: 'a rebuild' })
    await restart()
    await redis.ping()
    await go()
    await eventually(() => asked() === 2, { what: 'another rebuild', withinMs: 15_000 })
    await expect(runIdOf(epoch)).rejects.toMatchObject({ class: 'engine_away' })
    await go()
    await eventually(() => runIdOf(epoch).then(() => true), { what: 'the new run' })
    expect(await runIdOf(epoch)).toBe(await realRunId())
    expect(await epochInRedis()).toBe(await realRunId())
  })

  it('is not taken for the one that said who it was, where it comes between two questions', async () => {
    await watch().known
    const before = await realRunId()
    const guarded = connect(own.url, 'guarded', () => undefined)
    let restarted = false
    const slow = new Proxy(guarded, {
      get(target, name) {
        if (name === 'hget' && !restarted) {
          return async (key: string, field: string): Promise<string | null> => {
            restarted = true
            await restart()
            await eventually(() => target.status === 'ready', { what: 'the new run', withinMs: 15_000 })
            return await target.hget(key, field)
          }
        }
        const value: unknown = Reflect.get(target, name)
        return typeof value === 'function' ? (value.bind(target) as unknown) : value
      },
    })
    const epoch = watch(undefined, systemClock, slow)
    await epoch.known
    expect(await runIdOf(epoch)).not.toBe(before)
    expect(await runIdOf(epoch)).toBe(await realRunId())
  })

  it.each([
    ['longer than half a lease: this process lets the others speak first', 1.5, false],
    ['shorter: it goes on at once', 0.2, true],
  ])('after %s', async (_, leases, goesOn) => {
    let aheadMs = 0
    const clock = { ...systemClock, monotonic: () => systemClock.monotonic() + aheadMs }
    const epoch = watch(undefined, clock)
    await epoch.known
    const before = await realRunId()
    await own.kill()
    await eventually(
      () =>
        runIdOf(epoch).then(
          () => false,
          () => true,
        ),
      { what: 'the cut' },
    )
    aheadMs = leases * lockMs
    await own.start()
    await eventually(async () => (await epochInRedis()) !== before && (await epochInRedis()) === (await realRunId()), {
      what: 'the new run',
      withinMs: 15_000,
    })
    const goes = (): Promise<boolean> =>
      runIdOf(epoch).then(
        () => true,
        () => false,
      )
    if (goesOn) await eventually(goes, { what: 'it to go on', withinMs: 500 })
    else {
      await epoch.known
      expect(await goes()).toBe(false)
      aheadMs += lockMs
      expect(await goes()).toBe(true)
    }
  })
})

/** SIGKILL, and again from its disk. */
async function restart(): Promise<void> {
  await own.kill()
  await own.start()
}
