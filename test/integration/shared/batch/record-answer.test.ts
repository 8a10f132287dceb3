import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { recordAnswer } from '../../../../src/shared/batch/record-answer.ts'
import { closeLane, noteSuspect, noteTransient, readLane } from '../../../../src/shared/lanes/lane.ts'
import type { Redis } from '../../../../src/shared/redis/connect.ts'
import {
  claim,
  claimAndGrant,
  freshEngine,
  newBatch,
  newHold,
  openRedis,
  priceNano,
  readEvents,
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

const url = 'https://cdn.example/shoe.png'
const answered = `1:0:0:${String(priceNano)}:0:1`

describe('recordAnswer', () => {
  it('books the call as answered and paid, keeps the URL, and leaves the item in progress', async () => {
    const manifest = await newBatch(engine, 1, { fed: 1 })
    const hold = newHold(manifest, 0)
    await claimAndGrant(engine, hold)
    expect(await recordAnswer(redis, engine.keys, hold, url)).toBe('booked')
    const { live, states, tries } = await readState(engine, manifest.batch)
    expect(live).toMatchObject({ calls: 1, cost_nano: priceNano, indeterminate: 0 })
    expect(states).toEqual(['in_progress'])
    expect(tries).toEqual({ 0: answered })
    const fence = await readFence(engine, hold)
    expect(fence).toMatchObject({ url, attempt: hold.attempt })
    expect(fence).not.toHaveProperty('calling')
  })

  it('books once, however often it is called', async () => {
    const manifest = await newBatch(engine, 1, { fed: 1 })
    const hold = newHold(manifest, 0)
    await claimAndGrant(engine, hold)
    await recordAnswer(redis, engine.keys, hold, url)
    const state = await readState(engine, manifest.batch)
    expect(await recordAnswer(redis, engine.keys, hold, url)).toBe('again')
    expect(await readState(engine, manifest.batch)).toEqual(state)
  })

  it('keeps no URL where the bytes came with the answer', async () => {
    const manifest = await newBatch(engine, 1, { fed: 1 })
    const hold = newHold(manifest, 0)
    await claimAndGrant(engine, hold)
    expect(await recordAnswer(redis, engine.keys, hold, undefined)).toBe('booked')
    expect(await readFence(engine, hold)).not.toHaveProperty('url')
  })

  it('books nothing where another attempt took over: that one booked the call as unknown', async () => {
    const manifest = await newBatch(engine, 1, { fed: 1 })
    const zombie = newHold(manifest, 0, { process: 'zombie' })
    await claimAndGrant(engine, zombie)
    const next = newHold(manifest, 0)
    await claim(engine, next)
    const [fence, state] = [await readFence(engine, next), await readState(engine, manifest.batch)]
    expect(await recordAnswer(redis, engine.keys, zombie, url)).toBe('lost')
    expect(await readFence(engine, next)).toEqual(fence)
    expect(await readState(engine, manifest.batch)).toEqual(state)
  })

  it('adds to what was spent before', async () => {
    const manifest = await newBatch(engine, 1, { fed: 1 })
    await claimAndGrant(engine, newHold(manifest, 0, { process: 'dead' }))
    const hold = newHold(manifest, 0)
    await claimAndGrant(engine, hold)
    await recordAnswer(redis, engine.keys, hold, url)
    const { live, tries } = await readState(engine, manifest.batch)
    expect(tries).toEqual({ 0: `2:1:0:${String(2 * priceNano)}:0:1` })
    expect(live).toMatchObject({ calls: 2, indeterminate: 1, cost_nano: 2 * priceNano })
  })

  it('counts the call on the batch alone where another attempt has settled the item: nobody asks what was tried', async () => {
    const manifest = await newBatch(engine, 1, { fed: 1 })
    const zombie = newHold(manifest, 0, { process: 'zombie' })
    await claimAndGrant(engine, zombie)
    const hold = newHold(manifest, 0)
    await claimAndGrant(engine, hold)
    await settle(engine, manifest, zombie, 'succeeded', { ownObjectCostNano: priceNano })
    const entry = { at: 1, class: 'ok', status: 200, duration_ms: 5 }
    expect(await recordAnswer(redis, engine.keys, hold, url, entry)).toBe('booked')
    expect((await readState(engine, manifest.batch)).live).toMatchObject({ calls: 2, cost_nano: 2 * priceNano })
    const { tries, log } = engine.keys.batch(manifest.batch)
    // The batch may have ended by now: what is written of it anew would stay for ever.
    expect(await redis.exists(tries, log)).toBe(0)
  })

  it('makes no batch that Redis does not have, and keeps the URL all the same', async () => {
    const manifest = await newBatch(engine, 1, { fed: 1 })
    const hold = newHold(manifest, 0)
    await claimAndGrant(engine, hold)
    const { live, states, tries } = engine.keys.batch(manifest.batch)
    await redis.del(live, states)
    expect(await recordAnswer(redis, engine.keys, hold, url)).toBe('booked')
    expect(await redis.exists(live, states, tries)).toBe(0)
    expect(await readFence(engine, hold)).toMatchObject({ url })
  })

  it('heals a closed provider lane, and tells of it once', async () => {
    const manifest = await newBatch(engine, 1, { fed: 1 })
    const hold = newHold(manifest, 0)
    await claimAndGrant(engine, hold)
    await closeLane(redis, engine.keys, 'provider', 'provider_down', 'down')
    await recordAnswer(redis, engine.keys, hold, url)
    await recordAnswer(redis, engine.keys, hold, url)
    expect(await readLane(redis, engine.keys, 'provider')).toMatchObject({ open: true })
    const types = (await readEvents(engine)).map(({ type }) => type)
    expect(types).toEqual(['batch.in_progress', 'provider.lane_closed', 'provider.lane_opened'])
  })

  it('breaks a row of failures and clears a suspicion', async () => {
    const manifest = await newBatch(engine, 1, { fed: 1 })
    const hold = newHold(manifest, 0)
    await claimAndGrant(engine, hold)
    for (let at = 0; at < 9; at += 1) await noteTransient(redis, engine.keys, '500')
    await noteSuspect(redis, engine.keys, 'item-a', '403')
    await recordAnswer(redis, engine.keys, hold, url)
    expect(await noteTransient(redis, engine.keys, '500')).toBe(false)
    expect(await noteSuspect(redis, engine.keys, 'item-b', '403')).toBe('first')
  })
})
