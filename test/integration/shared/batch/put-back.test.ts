import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { nothingToBook, putBack, type Booking } from '../../../../src/shared/batch/put-back.ts'
import { recordAnswer } from '../../../../src/shared/batch/record-answer.ts'
import type { Redis } from '../../../../src/shared/redis/connect.ts'
import {
  claim,
  claimAndGrant,
  freshEngine,
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

const url = 'https://cdn.example/shoe.png'

describe('putBack', () => {
  it.each([
    ['nothing', nothingToBook, undefined],
    ['a call that was answered', { ...nothingToBook, calls: 1 }, '1:0:0:0:0:0'],
    [
      'a call of unknown outcome',
      { ...nothingToBook, calls: 1, unknown: 1, costNano: priceNano },
      `1:1:0:${String(priceNano)}:0:0`,
    ],
    ['a bad output', { ...nothingToBook, calls: 1, bad: 1, costNano: priceNano }, `1:0:1:${String(priceNano)}:0:0`],
    ['a suspicion', { ...nothingToBook, suspected: 1 }, '0:0:0:0:1:0'],
  ] satisfies [string, Booking, string | undefined][])(
    'books %s, on the item and its batch, and the item is queued again',
    async (_, booking, tries) => {
      const manifest = await newBatch(engine, 1, { fed: 1 })
      const hold = newHold(manifest, 0)
      await claimAndGrant(engine, hold)
      await putBack(redis, engine.keys, hold, booking, false)
      const state = await readState(engine, manifest.batch)
      expect(state.states).toEqual(['fed'])
      expect(state.tries).toEqual(tries === undefined ? {} : { 0: tries })
      expect(state.live).toMatchObject({
        calls: booking.calls,
        indeterminate: booking.unknown,
        cost_nano: booking.costNano,
      })
      expect(await readFence(engine, hold)).toEqual({})
    },
  )

  it('books once, however often it is called', async () => {
    const manifest = await newBatch(engine, 1, { fed: 1 })
    const hold = newHold(manifest, 0)
    await claimAndGrant(engine, hold)
    const booking = { ...nothingToBook, calls: 1, unknown: 1, costNano: priceNano }
    await putBack(redis, engine.keys, hold, booking, false)
    const state = await readState(engine, manifest.batch)
    await putBack(redis, engine.keys, hold, booking, false)
    expect(await readState(engine, manifest.batch)).toEqual(state)
  })

  it('leaves an open item open: its feed has not marked it yet', async () => {
    const manifest = await newBatch(engine, 1)
    const hold = newHold(manifest, 0)
    await claim(engine, hold)
    await putBack(redis, engine.keys, hold, nothingToBook, false)
    expect((await readState(engine, manifest.batch)).states).toEqual(['open'])
  })

  it('keeps the URL of an answer that is paid and still to be fetched, held by nobody', async () => {
    const manifest = await newBatch(engine, 1, { fed: 1 })
    const hold = newHold(manifest, 0)
    await claimAndGrant(engine, hold)
    await recordAnswer(redis, engine.keys, hold, url)
    await putBack(redis, engine.keys, hold, nothingToBook, true)
    const { batch } = manifest
    expect(await readFence(engine, hold)).toEqual({ process: '', attempt: '', batch, index: '0', round: '1', url })
    expect(await claim(engine, newHold(manifest, 0))).toMatchObject({ kind: 'claimed', url, tries: { calls: 1 } })
  })

  it('books nothing a second time where it kept the URL', async () => {
    const manifest = await newBatch(engine, 1, { fed: 1 })
    const hold = newHold(manifest, 0)
    await claimAndGrant(engine, hold)
    await recordAnswer(redis, engine.keys, hold, url)
    const booking = { ...nothingToBook, bad: 1 }
    await putBack(redis, engine.keys, hold, booking, true)
    const state = await readState(engine, manifest.batch)
    await putBack(redis, engine.keys, hold, booking, true)
    expect(await readState(engine, manifest.batch)).toEqual(state)
    expect(await readFence(engine, hold)).toMatchObject({ url })
  })

  it('frees the key where there is no URL to keep', async () => {
    const manifest = await newBatch(engine, 1, { fed: 1 })
    const hold = newHold(manifest, 0)
    await claimAndGrant(engine, hold)
    await putBack(redis, engine.keys, hold, nothingToBook, true)
    expect(await readFence(engine, hold)).toEqual({})
  })

  it('drops a URL that is not worth keeping', async () => {
    const manifest = await newBatch(engine, 1, { fed: 1 })
    const hold = newHold(manifest, 0)
    await claimAndGrant(engine, hold)
    await recordAnswer(redis, engine.keys, hold, url)
    await putBack(redis, engine.keys, hold, { ...nothingToBook, bad: 1 }, false)
    expect(await claim(engine, newHold(manifest, 0))).toMatchObject({ url: undefined, tries: { calls: 1, bad: 1 } })
  })

  it('does nothing where another attempt took over: that one has booked', async () => {
    const manifest = await newBatch(engine, 1, { fed: 1 })
    const lost = newHold(manifest, 0, { process: 'slow' })
    await claimAndGrant(engine, lost)
    const next = newHold(manifest, 0)
    await claimAndGrant(engine, next)
    const [fence, state] = [await readFence(engine, next), await readState(engine, manifest.batch)]
    await putBack(redis, engine.keys, lost, { ...nothingToBook, calls: 1, unknown: 1, costNano: priceNano }, false)
    expect(await readFence(engine, next)).toEqual(fence)
    expect(await readState(engine, manifest.batch)).toEqual(state)
  })

  it('counts a call that was spent for an item which another attempt has settled meanwhile', async () => {
    const manifest = await newBatch(engine, 2, { fed: 2 })
    const zombie = newHold(manifest, 0, { process: 'zombie' })
    await claimAndGrant(engine, zombie)
    const hold = newHold(manifest, 0)
    await claimAndGrant(engine, hold)
    await settle(engine, manifest, zombie, 'succeeded', { ownObjectCostNano: priceNano })
    await putBack(redis, engine.keys, hold, { ...nothingToBook, calls: 1, unknown: 1, costNano: priceNano }, false)
    const { live, states, tries } = await readState(engine, manifest.batch)
    expect(states).toEqual(['succeeded', 'fed'])
    expect(tries).toEqual({})
    expect(live).toMatchObject({ calls: 2, indeterminate: 1, cost_nano: 2 * priceNano })
    expect(await readFence(engine, hold)).toEqual({})
  })

  it('frees the key, and makes nothing, where Redis does not have the batch', async () => {
    const manifest = await newBatch(engine, 1, { fed: 1 })
    const hold = newHold(manifest, 0)
    await claimAndGrant(engine, hold)
    const { live, states, tries } = engine.keys.batch(manifest.batch)
    await redis.del(live, states)
    await putBack(redis, engine.keys, hold, { ...nothingToBook, calls: 1 }, false)
    expect(await redis.exists(live, states, tries)).toBe(0)
    expect(await readFence(engine, hold)).toEqual({})
  })
})
