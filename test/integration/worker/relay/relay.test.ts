import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { applyControl } from '../../../../src/shared/batch/apply-control.ts'
import { endBatch } from '../../../../src/shared/batch/end.ts'
import { newBatchObject } from '../../../../src/shared/batch/view.ts'
import type { AcceptedOptions } from '../../../../src/shared/contract/accepted.ts'
import { itemId } from '../../../../src/shared/contract/ids.ts'
import { eventId } from '../../../../src/shared/events/event-id.ts'
import { closeLane } from '../../../../src/shared/lanes/lane.ts'
import { firstControl } from '../../../../src/shared/ledger/control.ts'
import type { Manifest } from '../../../../src/shared/ledger/manifest.ts'
import { listMarkers } from '../../../../src/shared/ledger/markers.ts'
import type { Store } from '../../../../src/shared/ledger/store.ts'
import { writeSummary } from '../../../../src/shared/ledger/summary.ts'
import type { Redis } from '../../../../src/shared/redis/connect.ts'
import { letGoOfEnded } from '../../../../src/worker/relay/deliveries.ts'
import { relayEvents, relayUndelivered } from '../../../../src/worker/relay/relay.ts'
import { sealChunk } from '../../../../src/worker/seal.ts'
import { openDeliveries, receive, type OpenDelivery } from '../../../support/deliveries.ts'
import { claim, newHold, openRedis, readState, settle } from '../../../support/engine.ts'
import { freshNames } from '../../../support/fresh-names.ts'
import { acceptBatch, freshLedgerEngine, onLedger, type LedgerEngine } from '../../../support/ledger-engine.ts'
import { openTestStore } from '../../../support/test-store.ts'

let redis: Redis
let store: Store
let engine: LedgerEngine
beforeAll(async () => {
  redis = openRedis()
  store = openTestStore((await freshNames(import.meta.filename)).bucket)
})
afterAll(() => {
  redis.disconnect()
  store.close()
})
beforeEach(async () => {
  engine = await freshLedgerEngine(redis, store)
})

const nowMs = 1_700_000_050_000

const toldOf = (...events: string[]): Partial<AcceptedOptions> => ({
  webhook: { url: 'https://shop.example/hook', events },
})

const ofItems = ['item.succeeded', 'item.failed']

async function settleItems(manifest: Manifest, from: number, to: number): Promise<void> {
  for (let index = from; index < to; index += 1) {
    const hold = newHold(manifest, index)
    await claim(engine, hold)
    await settle(engine, manifest, hold, index % 3 === 2 ? 'failed' : 'succeeded')
  }
}

/** Ends a batch as finish does; its files are no matter of the relay. */
async function end(manifest: Manifest): Promise<void> {
  const { batch, attempt } = manifest
  await sealChunk(engine, batch, 0)
  const { live } = await readState(engine, batch)
  const summary = { ...newBatchObject(manifest), status: 'completed' as const }
  await writeSummary(store, { v: 1, round: 1, sequence: live.sequence + 1, batch: summary })
  const ending = { batch, round: 1, attempt, eventType: 'batch.completed', nowMs }
  expect(await endBatch(redis, engine.keys, ending)).toBe('ended')
}

async function ended(...events: string[]): Promise<Manifest> {
  const manifest = await acceptBatch(engine, 1, toldOf(...events))
  await settleItems(manifest, 0, 1)
  await end(manifest)
  return manifest
}

const cursor = (): Promise<string | null> => redis.get(engine.keys.relayCursor)

async function lastInLog(): Promise<string | undefined> {
  return (await redis.xrevrange(engine.keys.events, '+', '-', 'COUNT', 1))[0]?.[0]
}

async function hasMarker({ batch }: Manifest): Promise<boolean> {
  for await (const marker of listMarkers(store)) if (marker.batch === batch) return true
  return false
}

describe('relayEvents', () => {
  it('makes a delivery of each event that the webhook names, under an id that follows from what it tells', async () => {
    const manifest = await acceptBatch(engine, 3, toldOf('batch.in_progress', 'batch.paused', ...ofItems))
    const { batch } = manifest
    await settleItems(manifest, 0, 3)
    const paused = { ...firstControl, version: 4, paused_at_ms: nowMs }
    await applyControl(redis, engine.keys, manifest, paused, nowMs)
    await applyControl(redis, engine.keys, manifest, { ...paused, version: 5, paused_at_ms: null }, nowMs)
    await relayEvents(engine)
    const told = await openDeliveries(engine)
    const round = 1
    expect(new Map(told.map(({ event, type }) => [event, type]))).toEqual(
      new Map([
        [eventId({ type: 'batch.in_progress', batch, round }), 'batch.in_progress'],
        [eventId({ type: 'item.succeeded', batch, round, index: 0 }), 'item.succeeded'],
        [eventId({ type: 'item.succeeded', batch, round, index: 1 }), 'item.succeeded'],
        [eventId({ type: 'item.failed', batch, round, index: 2 }), 'item.failed'],
        [eventId({ type: 'batch.paused', batch, round, version: 4 }), 'batch.paused'],
      ]),
    )
    expect(told.every(({ terminal }) => !terminal)).toBe(true)
    expect(await cursor()).toBe(await lastInLog())
  })

  it('tells what happened: the batch, or the item with its line and no link, in a sequence that grows', async () => {
    const manifest = await acceptBatch(engine, 3, toldOf('batch.in_progress', ...ofItems))
    await settleItems(manifest, 0, 2)
    // One is in the ledger already, the other is not.
    await sealChunk(engine, manifest.batch, 0)
    await settleItems(manifest, 2, 3)
    await relayEvents(engine)
    const told = await openDeliveries(engine)
    expect(told.map(({ data }) => data['sequence'])).toEqual([1, 2, 3, 4])
    expect(told.map(({ data }) => data['id'])).toEqual([
      manifest.batch,
      ...[0, 1, 2].map((index) => itemId(manifest.batch, index)),
    ])
    expect(told[3]?.data).toMatchObject({ custom_id: 'item-3', status: 'failed', attempts: 0, cost_usd: '0.00' })
    for (const { data } of told.slice(1)) {
      expect(data).not.toHaveProperty('round')
      expect(data).not.toHaveProperty('attempt_log')
    }
  })

  it('goes by the events that nobody wants, and by those of no batch', async () => {
    const manifest = await acceptBatch(engine, 2, toldOf('batch.completed'))
    await settleItems(manifest, 0, 1)
    await acceptBatch(engine, 1)
    await closeLane(redis, engine.keys, 'provider', 'provider_down', 'down')
    await relayEvents(engine)
    expect(await openDeliveries(engine)).toEqual([])
    expect(await cursor()).toBe(await lastInLog())
  })

  it('tells nothing twice when it is asked again', async () => {
    const manifest = await acceptBatch(engine, 3, toldOf('batch.in_progress', ...ofItems))
    await settleItems(manifest, 0, 1)
    await relayEvents(engine)
    await relayEvents(engine)
    expect(await receive(engine, 10)).toHaveLength(2)
    await relayEvents(engine)
    expect(await openDeliveries(engine)).toEqual([])
    await settleItems(manifest, 1, 3)
    await relayEvents(engine)
    expect(await openDeliveries(engine)).toHaveLength(2)
  })

  it('loses nothing and doubles nothing where many run at once', async () => {
    const manifests = await Promise.all([0, 1, 2].map(() => acceptBatch(engine, 120, toldOf(...ofItems))))
    for (const manifest of manifests) await settleItems(manifest, 0, 120)
    const others = [openRedis(), openRedis(), openRedis()].map((client) =>
      onLedger({ ...engine, redis: client }, store),
    )
    await Promise.all([engine, ...others].map((one) => relayEvents(one)))
    const told = await openDeliveries(engine)
    expect(told).toHaveLength(360)
    expect(new Set(told.map(({ event }) => event)).size).toBe(360)
    expect(await cursor()).toBe(await lastInLog())
    for (const other of others) other.redis.disconnect()
  })

  it('never moves the cursor back: one that was slow leaves it where another one has brought it', async () => {
    const manifest = await acceptBatch(engine, 4, toldOf(...ofItems))
    await settleItems(manifest, 0, 2)
    let taken: OpenDelivery[] | undefined
    const slow: Store = {
      ...store,
      // It has read two events when another relay reads these and two more, and all four are delivered.
      async get(key, deadlineMs) {
        if (taken === undefined) {
          taken = []
          await settleItems(manifest, 2, 4)
          await relayEvents(engine)
          taken = await receive(engine, 10)
        }
        return await store.get(key, deadlineMs)
      },
    }
    await relayEvents({ ...engine, store: slow })
    expect(taken).toHaveLength(4)
    expect(await cursor()).toBe(await lastInLog())
    // Its own two are told again, under their ids; those that it never read are not.
    const again = (await openDeliveries(engine)).map(({ event }) => event)
    expect(again).toEqual(taken?.slice(0, 2).map(({ event }) => event))
  })

  it('goes on where one stopped that was killed before it moved the cursor, under the same ids', async () => {
    const manifest = await acceptBatch(engine, 3, toldOf(...ofItems))
    await settleItems(manifest, 0, 3)
    await relayEvents(engine)
    const before = await openDeliveries(engine)
    await redis.del(engine.keys.relayCursor)
    await relayEvents(engine)
    expect(await openDeliveries(engine)).toEqual(before)
    expect(await redis.scard(engine.keys.openDeliveries(manifest.batch))).toBe(3)
  })

  it('tells of the end of a batch as its summary has it, and lets go of it only once that is delivered', async () => {
    const manifest = await ended('batch.completed')
    const { batch } = manifest
    await relayEvents(engine)
    const [told, ...others] = await openDeliveries(engine)
    expect(others).toEqual([])
    expect(told).toMatchObject({
      event: eventId({ type: 'batch.completed', batch, round: 1 }),
      terminal: true,
      data: { id: batch, status: 'completed', sequence: 2 },
    })
    expect([await hasMarker(manifest), await redis.smembers(engine.keys.undelivered)]).toEqual([true, [`${batch}.1`]])
    await receive(engine, 1)
    expect([await hasMarker(manifest), await redis.smembers(engine.keys.undelivered)]).toEqual([false, []])
  })

  it('lets go of an ended batch at once whose end nobody wants to hear of', async () => {
    const manifest = await ended('batch.in_progress')
    await relayEvents(engine)
    expect(await openDeliveries(engine)).toMatchObject([{ type: 'batch.in_progress' }])
    expect([await hasMarker(manifest), await redis.smembers(engine.keys.undelivered)]).toEqual([false, []])
  })

  it('does not stumble over a batch that was deleted', async () => {
    const manifest = await acceptBatch(engine, 2, toldOf(...ofItems))
    await settleItems(manifest, 0, 1)
    await store.remove(`batches/${manifest.batch}/manifest.json`)
    const other = await acceptBatch(engine, 1, toldOf(...ofItems))
    await settleItems(other, 0, 1)
    await relayEvents(engine)
    expect(await openDeliveries(engine)).toMatchObject([{ batch: other.batch }])
  })
})

describe('relayUndelivered', () => {
  it('tells an end again that the log has lost, under its id, as long as it is not delivered', async () => {
    const manifest = await ended('batch.completed')
    await redis.del(engine.keys.events)
    await relayUndelivered(engine)
    const { batch } = manifest
    const id = eventId({ type: 'batch.completed', batch, round: 1 })
    expect(await openDeliveries(engine)).toMatchObject([{ event: id, terminal: true, data: { id: batch } }])
    // Under way already: nothing comes to it.
    await relayUndelivered(engine)
    expect(await openDeliveries(engine)).toHaveLength(1)
    await receive(engine, 1)
    await relayUndelivered(engine)
    await relayEvents(engine)
    expect(await openDeliveries(engine)).toEqual([])
  })

  it('tells nothing that was delivered or given up while it looked', async () => {
    const manifest = await ended('batch.completed')
    const late: Store = {
      ...store,
      async get(key, deadlineMs) {
        await letGoOfEnded(engine, manifest.batch, 1)
        return await store.get(key, deadlineMs)
      },
    }
    await relayUndelivered({ ...engine, store: late })
    expect(await openDeliveries(engine)).toEqual([])
  })

  it('tells it with the sequence that it had', async () => {
    const manifest = await acceptBatch(engine, 3, toldOf('batch.completed', ...ofItems))
    await settleItems(manifest, 0, 3)
    await end(manifest)
    await relayEvents(engine)
    const told = await receive(engine, 10)
    const highest = Math.max(...told.map(({ data }) => Number(data['sequence'])))
    await redis.sadd(engine.keys.undelivered, `${manifest.batch}.1`)
    await relayUndelivered(engine)
    const [again] = await openDeliveries(engine)
    expect(Number(again?.data['sequence'])).toBe(highest)
  })

  it('lets go of one that nobody wants to hear of, and leaves one alone whose summary is not there', async () => {
    const manifest = await ended()
    await redis.sadd(engine.keys.undelivered, 'batch_01JAAAAAAAAAAAAAAAAAAAAAAA.1')
    await relayUndelivered(engine)
    expect(await redis.smembers(engine.keys.undelivered)).toEqual(['batch_01JAAAAAAAAAAAAAAAAAAAAAAA.1'])
    expect(await hasMarker(manifest)).toBe(false)
  })
})
