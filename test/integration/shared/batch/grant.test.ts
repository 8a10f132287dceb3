import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { grantCall } from '../../../../src/shared/batch/grant.ts'
import { nothingToBook, putBack } from '../../../../src/shared/batch/put-back.ts'
import { closeLane } from '../../../../src/shared/lanes/lane.ts'
import type { Redis } from '../../../../src/shared/redis/connect.ts'
import {
  beat,
  claim,
  freshEngine,
  grant,
  newBatch,
  newHold,
  openRedis,
  priceNano,
  readFence,
  readState,
  settle,
} from '../../../support/engine.ts'
import type { Engine } from '../../../support/engine.ts'

let redis: Redis
let engine: Engine
beforeAll(() => {
  redis = openRedis()
})
afterAll(() => {
  redis.disconnect()
})
beforeEach(async () => {
  engine = await freshEngine(redis)
})

describe('grantCall', () => {
  it('marks the fence as calling with the price, and counts the item as in progress', async () => {
    const manifest = await newBatch(engine, 2, { fed: 2 })
    const hold = newHold(manifest, 1)
    await claim(engine, hold)
    expect(await grant(engine, hold)).toBe('granted')
    expect(await readFence(engine, hold)).toMatchObject({ calling: '1', reserved_nano: String(priceNano) })
    const { live, states } = await readState(engine, manifest.batch)
    expect(states).toEqual(['fed', 'in_progress'])
    expect(live).toMatchObject({ fed: 1, in_progress: 1, calls: 0, cost_nano: 0 })
  })

  it('changes nothing the second time', async () => {
    const manifest = await newBatch(engine, 1, { fed: 1 })
    const hold = newHold(manifest, 0)
    await claim(engine, hold)
    await grant(engine, hold)
    const [fence, state] = [await readFence(engine, hold), await readState(engine, manifest.batch)]
    expect(await grant(engine, hold)).toBe('granted')
    expect(await readFence(engine, hold)).toEqual(fence)
    expect(await readState(engine, manifest.batch)).toEqual(state)
  })

  it('counts an item as in progress that its feed has not marked yet', async () => {
    const manifest = await newBatch(engine, 1)
    const hold = newHold(manifest, 0)
    await claim(engine, hold)
    expect(await grant(engine, hold)).toBe('granted')
    expect((await readState(engine, manifest.batch)).states).toEqual(['in_progress'])
  })

  it('is refused to an attempt whose fence another one took over, is gone, or was put back', async () => {
    const manifest = await newBatch(engine, 1, { fed: 1 })
    const slow = newHold(manifest, 0, { process: 'slow' })
    await claim(engine, slow)
    const quick = newHold(manifest, 0)
    await claim(engine, quick)
    expect(await grant(engine, slow)).toBe('lost')
    expect(await readFence(engine, quick)).not.toHaveProperty('calling')
    expect((await readState(engine, manifest.batch)).states).toEqual(['fed'])

    await putBack(redis, engine.keys, quick, nothingToBook, false)
    expect(await grant(engine, quick)).toBe('lost')
    expect(await readFence(engine, quick)).toEqual({})
  })

  it('is refused to another attempt of the same process', async () => {
    const manifest = await newBatch(engine, 1, { fed: 1 })
    const hold = newHold(manifest, 0)
    await claim(engine, hold)
    expect(await grant(engine, { ...hold, attempt: 'another' })).toBe('lost')
  })

  it('goes to one of two attempts, whatever the order in which they claim and ask', async () => {
    const manifest = await newBatch(engine, 1, { fed: 1 })
    const holds = ['one', 'two', 'three'].map((process) => newHold(manifest, 0, { process }))
    for (const { process } of holds) await beat(engine, process)
    const grants = await Promise.all(
      holds.map(async (hold) => {
        await claim(engine, hold)
        return await grant(engine, hold)
      }),
    )
    expect(grants.toSorted()).toEqual(['granted', 'lost', 'lost'])
  })

  it('is refused while a lane is closed, and only a probe may call through a closed provider lane', async () => {
    const manifest = await newBatch(engine, 1, { fed: 1 })
    const hold = newHold(manifest, 0)
    await claim(engine, hold)
    await closeLane(redis, engine.keys, 'provider', 'provider_down', 'down')
    expect(await grant(engine, hold)).toBe('closed')
    expect((await readState(engine, manifest.batch)).states).toEqual(['fed'])
    expect(await readFence(engine, hold)).not.toHaveProperty('calling')
    expect(await grant(engine, hold, true)).toBe('granted')
  })

  it('is refused while the storage lane is closed, to a probe of the provider too: its image could not be kept', async () => {
    const manifest = await newBatch(engine, 1, { fed: 1 })
    const hold = newHold(manifest, 0)
    await claim(engine, hold)
    await closeLane(redis, engine.keys, 'storage', 'storage_down', 'denied')
    expect(await grant(engine, hold)).toBe('closed')
    expect(await grant(engine, hold, true)).toBe('closed')
    expect((await readState(engine, manifest.batch)).states).toEqual(['fed'])
  })

  it('is refused for an item that has its outcome, though the fence is still there', async () => {
    const manifest = await newBatch(engine, 2, { fed: 2 })
    const hold = newHold(manifest, 0)
    await claim(engine, hold)
    await settle(engine, manifest, newHold(manifest, 0, { process: 'zombie' }), 'succeeded')
    expect(await grant(engine, hold)).toBe('settled')
    expect((await readState(engine, manifest.batch)).states).toEqual(['succeeded', 'fed'])
  })

  it('is refused for another round, and where Redis does not have the batch', async () => {
    const manifest = await newBatch(engine, 1, { fed: 1 })
    const hold = newHold(manifest, 0)
    await claim(engine, hold)
    expect(await grant(engine, { ...hold, round: 2 })).toBe('settled')
    const { live, states } = engine.keys.batch(manifest.batch)
    await redis.del(live, states)
    expect(await grant(engine, hold)).toBe('no_batch')
    expect(await redis.exists(live, states)).toBe(0)
  })

  it('waits where this Redis was not held against the ledger, and while the living may speak first', async () => {
    const manifest = await newBatch(engine, 1, { fed: 1 })
    const hold = newHold(manifest, 0)
    await claim(engine, hold)
    expect(await grantCall(redis, engine.keys, 'another-run', hold, { priceNano, probe: false })).toBe('wait')
    const [seconds] = await redis.time()
    await redis.hset(engine.keys.epoch, 'quiet_until_ms', Number(seconds) * 1000 + 5000)
    expect(await grant(engine, hold)).toBe('wait')
    expect(await readFence(engine, hold)).not.toHaveProperty('calling')
    expect((await readState(engine, manifest.batch)).states).toEqual(['fed'])
  })
})
