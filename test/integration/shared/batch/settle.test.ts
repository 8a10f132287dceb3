import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { parseOutcome } from '../../../../src/shared/batch/outcome.ts'
import { nothingToBook, putBack } from '../../../../src/shared/batch/put-back.ts'
import { recordAnswer } from '../../../../src/shared/batch/record-answer.ts'
import type { LogEntry } from '../../../../src/shared/contract/result.ts'
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
  startedAtMs,
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
const unknownCall = { ...nothingToBook, calls: 1, unknown: 1, costNano: priceNano }

async function lineOf(batch: string, index: number): Promise<ReturnType<typeof parseOutcome> | undefined> {
  const text = await redis.hget(engine.keys.batch(batch).outcomes(Math.floor(index / 500)), String(index))
  return text === null ? undefined : parseOutcome(text)
}

describe('settleItem', () => {
  it('gives an item its outcome in one step: state, counts, usage, line, and the fence is free', async () => {
    const manifest = await newBatch(engine, 3, { fed: 3 })
    const { batch } = manifest
    const hold = newHold(manifest, 1)
    await claimAndGrant(engine, hold)
    await recordAnswer(redis, engine.keys, hold, url)
    await redis.rpush(`${engine.keys.prefix}:generate-standard:wait`, 'a', 'b')
    const settled = await settle(engine, manifest, hold, 'succeeded', { ownObjectCostNano: priceNano })
    expect(settled).toEqual({ kind: 'settled', chunkFull: false, batchDone: false, ready: 2, told: false })
    const { live, states, tries } = await readState(engine, batch)
    expect(states).toEqual(['fed', 'succeeded', 'fed'])
    expect(live).toMatchObject({ status: 'in_progress', images: 1, calls: 1, indeterminate: 0, cost_nano: priceNano })
    expect(tries).toEqual({})
    expect(await readFence(engine, hold)).toEqual({})
    expect(await lineOf(batch, 1)).toMatchObject({
      custom_id: 'item-2',
      status: 'succeeded',
      attempts: 1,
      cost_usd: '0.003',
      round: 1,
    })
    const { settled: settledKey, unsealed, outcomes } = engine.keys.batch(batch)
    expect(await redis.hgetall(settledKey)).toEqual({ 0: '1' })
    expect(await redis.zrange(unsealed, '0', '-1', 'WITHSCORES')).toEqual(['0', String(startedAtMs + 1000)])
    const [text = ''] = await redis.hvals(outcomes(0))
    expect(await redis.get(engine.keys.unwritten)).toBe(String(Buffer.byteLength(text)))
  })

  it('does nothing for an item that has its outcome, whatever comes later', async () => {
    const manifest = await newBatch(engine, 2, { fed: 2 })
    const hold = newHold(manifest, 0)
    await claim(engine, hold)
    await settle(engine, manifest, hold, 'failed')
    const [state, line] = [await readState(engine, manifest.batch), await lineOf(manifest.batch, 0)]
    const unwritten = await redis.get(engine.keys.unwritten)
    for (const status of ['failed', 'succeeded', 'reused', 'cancelled'] as const) {
      expect(await settle(engine, manifest, hold, status)).toEqual({ kind: 'already' })
      expect(await settle(engine, manifest, newHold(manifest, 0), status)).toEqual({ kind: 'already' })
    }
    expect(await readState(engine, manifest.batch)).toEqual(state)
    expect(await lineOf(manifest.batch, 0)).toEqual(line)
    expect(await redis.get(engine.keys.unwritten)).toBe(unwritten)
    expect(await redis.hgetall(engine.keys.batch(manifest.batch).settled)).toEqual({ 0: '1' })
  })

  it('takes a failure from the holder of the fence alone', async () => {
    const manifest = await newBatch(engine, 1, { fed: 1 })
    const lost = newHold(manifest, 0, { process: 'slow' })
    await claimAndGrant(engine, lost)
    const hold = newHold(manifest, 0)
    await claimAndGrant(engine, hold)
    const state = await readState(engine, manifest.batch)
    expect(await settle(engine, manifest, lost, 'failed', { booking: unknownCall })).toEqual({ kind: 'stale' })
    expect(await readState(engine, manifest.batch)).toEqual(state)
    expect(await settle(engine, manifest, hold, 'failed', { booking: unknownCall })).toMatchObject({ kind: 'settled' })
    expect((await readState(engine, manifest.batch)).live).toMatchObject({ failed: 1, calls: 2, indeterminate: 2 })
    expect(await lineOf(manifest.batch, 0)).toMatchObject({ attempts: 2, cost_usd: '0.006' })
  })

  it('takes a failure from nobody where nobody holds the fence', async () => {
    const manifest = await newBatch(engine, 1, { fed: 1 })
    expect(await settle(engine, manifest, newHold(manifest, 0), 'failed')).toEqual({ kind: 'stale' })
    expect((await readState(engine, manifest.batch)).states).toEqual(['fed'])
  })

  it('takes a success from any attempt, since its bytes are stored, and leaves the fence to its holder', async () => {
    const manifest = await newBatch(engine, 1, { fed: 1 })
    const zombie = newHold(manifest, 0, { process: 'zombie' })
    await claimAndGrant(engine, zombie)
    const hold = newHold(manifest, 0)
    await claimAndGrant(engine, hold)
    expect((await readState(engine, manifest.batch)).live).toMatchObject({ calls: 1, indeterminate: 1 })
    const settled = await settle(engine, manifest, zombie, 'succeeded', { ownObjectCostNano: priceNano })
    expect(settled).toMatchObject({ kind: 'settled', batchDone: true })
    // Its call had been booked as unknown, and is known now: nothing is booked twice.
    const { live } = await readState(engine, manifest.batch)
    expect(live).toMatchObject({ succeeded: 1, images: 1, calls: 1, indeterminate: 0, cost_nano: priceNano })
    expect(await readFence(engine, hold)).toMatchObject({ attempt: hold.attempt, calling: '1' })
    // The other call is under way still: what it comes to is counted, and its fence is freed.
    expect(await settle(engine, manifest, hold, 'failed', { booking: unknownCall })).toEqual({ kind: 'already' })
    expect((await readState(engine, manifest.batch)).live).toMatchObject({ calls: 2, indeterminate: 1, failed: 0 })
    expect(await readFence(engine, hold)).toEqual({})
  })

  it('corrects an unknown call where a look finds the image that it made', async () => {
    const manifest = await newBatch(engine, 1, { fed: 1 })
    await claimAndGrant(engine, newHold(manifest, 0, { process: 'dead' }))
    const hold = newHold(manifest, 0)
    await claim(engine, hold)
    await settle(engine, manifest, hold, 'succeeded', { ownObjectCostNano: priceNano })
    const { live } = await readState(engine, manifest.batch)
    expect(live).toMatchObject({ calls: 1, indeterminate: 0, cost_nano: priceNano })
    expect(await lineOf(manifest.batch, 0)).toMatchObject({ attempts: 1, cost_usd: '0.003' })
  })

  it('corrects it where the attempt that was taken for dead brings the image, answered as the next call may be', async () => {
    const manifest = await newBatch(engine, 1, { fed: 1 })
    const zombie = newHold(manifest, 0, { process: 'zombie' })
    await claimAndGrant(engine, zombie)
    const hold = newHold(manifest, 0)
    await claimAndGrant(engine, hold)
    await recordAnswer(redis, engine.keys, hold, url)
    await settle(engine, manifest, zombie, 'succeeded', { ownObjectCostNano: priceNano })
    const { live } = await readState(engine, manifest.batch)
    expect(live).toMatchObject({ calls: 2, indeterminate: 0, cost_nano: 2 * priceNano })
  })

  it('goes on counting a call as unknown when a later one has made the image', async () => {
    const manifest = await newBatch(engine, 1, { fed: 1 })
    const first = newHold(manifest, 0)
    await claimAndGrant(engine, first)
    await putBack(redis, engine.keys, first, unknownCall, false)
    const second = newHold(manifest, 0)
    await claimAndGrant(engine, second)
    await recordAnswer(redis, engine.keys, second, url)
    await settle(engine, manifest, second, 'succeeded', { ownObjectCostNano: 2 * priceNano })
    const { live } = await readState(engine, manifest.batch)
    expect(live).toMatchObject({ calls: 2, indeterminate: 1, cost_nano: 2 * priceNano })
    expect(await lineOf(manifest.batch, 0)).toMatchObject({ attempts: 2, cost_usd: '0.006' })
  })

  it('goes on counting it where whoever paid for the image died before it could settle', async () => {
    const manifest = await newBatch(engine, 1, { fed: 1 })
    const first = newHold(manifest, 0)
    await claimAndGrant(engine, first)
    await putBack(redis, engine.keys, first, unknownCall, false)
    const second = newHold(manifest, 0, { process: 'dead' })
    await claimAndGrant(engine, second)
    await recordAnswer(redis, engine.keys, second, url)
    const finder = newHold(manifest, 0)
    await claim(engine, finder)
    await settle(engine, manifest, finder, 'succeeded', { ownObjectCostNano: 2 * priceNano })
    expect((await readState(engine, manifest.batch)).live).toMatchObject({ calls: 2, indeterminate: 1 })
  })

  it('takes the cost from the object where Redis has forgotten the call', async () => {
    const manifest = await newBatch(engine, 1, { fed: 1 })
    const hold = newHold(manifest, 0)
    await claim(engine, hold)
    await settle(engine, manifest, hold, 'succeeded', { ownObjectCostNano: 2 * priceNano })
    const { live } = await readState(engine, manifest.batch)
    expect(live).toMatchObject({ calls: 1, indeterminate: 0, images: 1, cost_nano: 2 * priceNano })
    expect(await lineOf(manifest.batch, 0)).toMatchObject({ attempts: 1, cost_usd: '0.006' })
  })

  it('never takes less than what was booked', async () => {
    const manifest = await newBatch(engine, 1, { fed: 1 })
    const hold = newHold(manifest, 0)
    await claimAndGrant(engine, hold)
    await recordAnswer(redis, engine.keys, hold, undefined)
    await settle(engine, manifest, hold, 'succeeded', { ownObjectCostNano: 0 })
    expect((await readState(engine, manifest.batch)).live).toMatchObject({ calls: 1, cost_nano: priceNano })
  })

  it('books nothing for an output that another item made', async () => {
    const manifest = await newBatch(engine, 2)
    const hold = newHold(manifest, 0)
    await claim(engine, hold)
    await settle(engine, manifest, hold, 'reused')
    const { live, states } = await readState(engine, manifest.batch)
    expect(states).toEqual(['reused', 'open'])
    expect(live).toMatchObject({ calls: 0, images: 0, cost_nano: 0 })
    expect(await lineOf(manifest.batch, 0)).toMatchObject({ status: 'reused', attempts: 0, cost_usd: '0.00' })
  })

  it('leaves a URL alone that nobody holds, when it settles without an attempt of its own', async () => {
    const one = await newBatch(engine, 1, { fed: 1 })
    const two = await newBatch(engine, 1)
    const stem = 'shared/shoe'
    const holder = newHold(one, 0, { stem })
    await claimAndGrant(engine, holder)
    await recordAnswer(redis, engine.keys, holder, url)
    await putBack(redis, engine.keys, holder, nothingToBook, true)
    const feed = newHold(two, 0, { stem, process: '', attempt: '' })
    expect(await settle(engine, two, feed, 'reused')).toMatchObject({ kind: 'settled' })
    expect(await settle(engine, two, feed, 'reused')).toEqual({ kind: 'already' })
    expect(await readFence(engine, holder)).toMatchObject({ url, batch: one.batch })
  })

  it('says nothing of the cost where the price is unknown', async () => {
    const manifest = await newBatch(engine, 1, { fed: 1 })
    const hold = newHold(manifest, 0)
    await claimAndGrant(engine, hold)
    await recordAnswer(redis, engine.keys, hold, undefined)
    await settle(engine, manifest, hold, 'succeeded', { ownObjectCostNano: 0, priced: false })
    expect(await lineOf(manifest.batch, 0)).toMatchObject({ attempts: 1, cost_usd: null })
  })

  it('says when a chunk is full, and when the batch has nothing open', async () => {
    const manifest = await newBatch(engine, 501, { fed: 501 })
    const full: string[] = []
    for (let index = 500; index >= 0; index -= 1) {
      const settled = await settle(engine, manifest, newHold(manifest, index), 'succeeded')
      if (settled.kind !== 'settled') throw new Error(settled.kind)
      if (settled.chunkFull) full.push(`chunk of ${String(index)}`)
      expect(settled.batchDone).toBe(index === 0)
    }
    expect(full).toEqual(['chunk of 500', 'chunk of 0'])
    const { live } = await readState(engine, manifest.batch)
    expect(live).toMatchObject({ status: 'finalizing', succeeded: 501, finalizing_at_ms: startedAtMs + 1000 })
  })

  it('keeps the time of the oldest outcome of a chunk that is not in the ledger', async () => {
    const manifest = await newBatch(engine, 3, { fed: 3 })
    const unsealed = (): Promise<string[]> =>
      redis.zrange(engine.keys.batch(manifest.batch).unsealed, '0', '-1', 'WITHSCORES')
    await settle(engine, manifest, newHold(manifest, 0), 'reused', { nowMs: 5000 })
    await settle(engine, manifest, newHold(manifest, 1), 'reused', { nowMs: 9000 })
    await settle(engine, manifest, newHold(manifest, 2), 'reused', { nowMs: 1000 })
    expect(await unsealed()).toEqual(['0', '5000'])
  })

  it('keeps what came of the calls with the line, oldest first, the last 20 of them, and then forgets it', async () => {
    const manifest = await newBatch(engine, 1, { fed: 1 })
    const entry = (at: number): LogEntry => ({ at, class: 'transient', status: 500, duration_ms: 5 })
    for (let at = 1; at <= 24; at += 1) {
      const hold = newHold(manifest, 0)
      await claim(engine, hold)
      await putBack(redis, engine.keys, hold, nothingToBook, false, entry(at))
    }
    const last = newHold(manifest, 0)
    await claim(engine, last)
    await settle(engine, manifest, last, 'failed', {
      entry: { at: 25, class: 'permanent', status: null, duration_ms: 0 },
    })
    const { attempt_log: log = [] } = (await lineOf(manifest.batch, 0)) ?? {}
    expect(log.map(({ at }) => at)).toEqual(Array.from({ length: 20 }, (_, from) => 6 + from))
    expect([log[0], log[19]]).toEqual([entry(6), { at: 25, class: 'permanent', status: null, duration_ms: 0 }])
    expect(await redis.exists(engine.keys.batch(manifest.batch).log)).toBe(0)
  })

  it('tells of an item in the same step where somebody wants to hear of items, once, and of what was made or failed', async () => {
    const webhook = { url: 'https://shop.example', events: ['item.failed'] }
    const manifest = await newBatch(engine, 4, { fed: 4, options: { webhook } })
    for (const [index, status] of (['succeeded', 'reused', 'failed', 'cancelled'] as const).entries()) {
      const hold = newHold(manifest, index)
      await claim(engine, hold)
      expect(await settle(engine, manifest, hold, status)).toMatchObject({ told: status !== 'cancelled' })
      await settle(engine, manifest, hold, status)
    }
    const { batch } = manifest
    const told = { batch, round: '1', at_ms: String(startedAtMs + 1000), control: '' }
    expect((await readEvents(engine)).slice(1)).toEqual([
      { ...told, type: 'item.succeeded', sequence: '2', index: '0' },
      { ...told, type: 'item.succeeded', sequence: '3', index: '1' },
      { ...told, type: 'item.failed', sequence: '4', index: '2' },
    ])
  })

  it('tells of no item where nobody wants to hear of any', async () => {
    const manifest = await newBatch(engine, 1, { fed: 1 })
    expect(await settle(engine, manifest, newHold(manifest, 0), 'succeeded')).toMatchObject({ told: false })
    expect((await readEvents(engine)).map(({ type }) => type)).toEqual(['batch.in_progress'])
  })

  it('counts for nothing in another round', async () => {
    const manifest = await newBatch(engine, 1, { fed: 1 })
    const hold = newHold(manifest, 0, { round: 2 })
    expect(await settle(engine, manifest, hold, 'succeeded', { ownObjectCostNano: 5 })).toEqual({ kind: 'stale' })
    expect((await readState(engine, manifest.batch)).live).toMatchObject({ fed: 1, calls: 0, cost_nano: 0 })
  })

  it('makes no batch that Redis does not have', async () => {
    const manifest = await newBatch(engine, 1, { fed: 1 })
    const hold = newHold(manifest, 0)
    await claimAndGrant(engine, hold)
    const { live, states, tries, settled, unsealed, outcomes } = engine.keys.batch(manifest.batch)
    await redis.del(live, states)
    expect(await settle(engine, manifest, hold, 'succeeded', { ownObjectCostNano: 5 })).toEqual({ kind: 'no_batch' })
    expect(await redis.exists(live, states, tries, settled, unsealed, outcomes(0), engine.keys.unwritten)).toBe(0)
    expect(await readFence(engine, hold)).toMatchObject({ calling: '1' })
  })

  it('settles once, of many who try at once', async () => {
    const manifest = await newBatch(engine, 1, { fed: 1 })
    const holds = Array.from({ length: 8 }, () => newHold(manifest, 0))
    const settled = await Promise.all(holds.map((hold) => settle(engine, manifest, hold, 'succeeded')))
    expect(settled.filter(({ kind }) => kind === 'settled')).toHaveLength(1)
    expect((await readState(engine, manifest.batch)).live).toMatchObject({ succeeded: 1, images: 1 })
  })
})
