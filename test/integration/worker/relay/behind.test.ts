import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { markFed } from '../../../../src/shared/batch/feed-turn.ts'
import type { AcceptedOptions } from '../../../../src/shared/contract/accepted.ts'
import { eventId } from '../../../../src/shared/events/event-id.ts'
import type { Manifest } from '../../../../src/shared/ledger/manifest.ts'
import type { Store } from '../../../../src/shared/ledger/store.ts'
import type { Redis } from '../../../../src/shared/redis/connect.ts'
import { reviveBatch } from '../../../../src/shared/batch/revive.ts'
import { goOnAt, relayBehind } from '../../../../src/worker/relay/behind.ts'
import { openMax } from '../../../../src/worker/relay/deliveries.ts'
import { relayEvents } from '../../../../src/worker/relay/relay.ts'
import { sealChunk } from '../../../../src/worker/seal.ts'
import { openDeliveries, receive, type OpenDelivery } from '../../../support/deliveries.ts'
import { newHold, openRedis, settle } from '../../../support/engine.ts'
import { freshNames } from '../../../support/fresh-names.ts'
import { acceptBatch, freshLedgerEngine, type LedgerEngine } from '../../../support/ledger-engine.ts'
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

const items = 1500
const ofItems: Partial<AcceptedOptions> = {
  webhook: { url: 'https://shop.example/hook', events: ['item.succeeded', 'item.failed'] },
}

async function settleItems(manifest: Manifest, from: number, to: number): Promise<void> {
  const indexes = Array.from({ length: to - from }, (_, at) => from + at)
  await markFed(redis, engine.keys, manifest.batch, indexes)
  await Promise.all(indexes.map((index) => settle(engine, manifest, newHold(manifest, index), 'succeeded')))
}

/** A batch with 1,500 events for a receiver that takes nothing. */
async function behind(): Promise<Manifest> {
  const manifest = await acceptBatch(engine, items, ofItems)
  await settleItems(manifest, 0, items)
  await relayEvents(engine)
  expect(await openCount(manifest)).toBe(openMax)
  return manifest
}

const openCount = ({ batch }: Manifest): Promise<number> => redis.scard(engine.keys.openDeliveries(batch))
const isBehind = async ({ batch }: Manifest): Promise<boolean> => (await redis.hexists(engine.keys.behind, batch)) === 1

/** The receiver takes what there is, and whoever closes deliveries asks the webhook to go on; gives what was taken. */
async function receiveAll(manifest: Manifest): Promise<string[]> {
  const taken: string[] = []
  for (;;) {
    const some = await receive(engine, 400)
    taken.push(...some.map(({ event }) => event))
    if ((await openCount(manifest)) < goOnAt && (await isBehind(manifest))) await relayBehind(engine, manifest.batch)
    else if (some.length === 0) return taken
  }
}

const idsOf = ({ batch, total }: Manifest): string[] =>
  Array.from({ length: total }, (_, index) => eventId({ type: 'item.succeeded', batch, round: 1, index })).toSorted()

describe('a receiver that takes nothing', () => {
  it('has at most 1,000 deliveries under way, and falls behind', async () => {
    const manifest = await behind()
    expect(await openDeliveries(engine)).toHaveLength(openMax)
    expect(await isBehind(manifest)).toBe(true)
    await relayBehind(engine, manifest.batch)
    await relayEvents(engine)
    expect(await openDeliveries(engine)).toHaveLength(openMax)
  })

  it('holds nobody else up, nor the end of its own batch', async () => {
    const manifest = await behind()
    const other = await acceptBatch(engine, 40, {
      webhook: { url: 'https://other.example', events: ['batch.in_progress', 'item.succeeded'] },
    })
    await settleItems(other, 0, 40)
    await relayEvents(engine)
    const told = (await openDeliveries(engine)).filter(({ batch }) => batch === other.batch)
    expect(told.map(({ type }) => type)).toEqual(['batch.in_progress', ...Array<string>(40).fill('item.succeeded')])
    expect(await isBehind(other)).toBe(false)
    expect(await isBehind(manifest)).toBe(true)
  })

  it('goes on when it takes again: every event once, none lost, and then it is with the others', async () => {
    const manifest = await behind()
    const taken = await receiveAll(manifest)
    expect(taken.toSorted()).toEqual(idsOf(manifest))
    expect(await isBehind(manifest)).toBe(false)
    expect(await redis.exists(engine.keys.openDeliveries(manifest.batch))).toBe(0)
  })

  it('has never more than 1,000 under way while it goes on, however often that is asked for', async () => {
    const manifest = await behind()
    await receive(engine, 30)
    await relayBehind(engine, manifest.batch)
    expect(await openDeliveries(engine)).toHaveLength(openMax)
    await receive(engine, 700)
    await Promise.all([0, 1, 2].map(() => relayBehind(engine, manifest.batch)))
    expect(await openDeliveries(engine)).toHaveLength(items - 730)
  })

  it('is told of what happened meanwhile, too', async () => {
    const manifest = await acceptBatch(engine, items, ofItems)
    await settleItems(manifest, 0, 1200)
    await relayEvents(engine)
    const taken = (await receive(engine, 300)).map(({ event }) => event)
    await settleItems(manifest, 1200, items)
    await relayEvents(engine)
    expect([...taken, ...(await receiveAll(manifest))].toSorted()).toEqual(idsOf(manifest))
  })

  it('loses nothing that the relay passed over while the webhook caught up', async () => {
    const manifest = await acceptBatch(engine, openMax + 2, ofItems)
    await settleItems(manifest, 0, openMax + 1)
    await relayEvents(engine)
    expect(await isBehind(manifest)).toBe(true)
    await settleItems(manifest, openMax + 1, openMax + 2)
    const taken: string[] = []
    const another = await acceptBatch(engine, 1, ofItems)
    await settleItems(another, 0, 1)
    // The relay has passed over the last event of the first batch, and reads the manifest of the other one.
    const slow: Store = {
      ...store,
      async get(key, deadlineMs) {
        if (key.includes(another.batch) && taken.length === 0) taken.push(...(await receiveAll(manifest)))
        return await store.get(key, deadlineMs)
      },
    }
    await relayEvents({ ...engine, store: slow })
    expect(taken.length).toBeGreaterThan(openMax)
    taken.push(...(await receiveAll(manifest)))
    expect([...new Set(taken)].toSorted()).toEqual(
      [...idsOf(manifest), eventId({ type: 'item.succeeded', batch: another.batch, round: 1, index: 0 })].toSorted(),
    )
  })
})

describe('a webhook that catches up', () => {
  it('is not with the others while the log holds an event of its batch behind its place', async () => {
    const manifest = await acceptBatch(engine, 2, ofItems)
    await settleItems(manifest, 0, 1)
    await redis.hset(engine.keys.behind, manifest.batch, '0-0')
    // It has read the log to its end and is about to say so when another item is settled and passed over by the relay.
    let settled = false
    const slow = new Proxy(redis, {
      get(target, name, receiver) {
        if (name !== 'evalsha') return Reflect.get(target, name, receiver) as unknown
        return async (...call: Parameters<Redis['evalsha']>): Promise<unknown> => {
          if (!settled) {
            settled = true
            await settleItems(manifest, 1, 2)
            await relayEvents(engine)
          }
          return await target.evalsha(...call)
        }
      },
    })
    await relayBehind({ ...engine, redis: slow }, manifest.batch)
    expect(settled).toBe(true)
    expect((await receiveAll(manifest)).toSorted()).toEqual(idsOf(manifest))
    expect(await isBehind(manifest)).toBe(false)
  })
})

describe('what the log has lost', () => {
  it('is told from the results under the same ids, sealed or not', async () => {
    const manifest = await behind()
    await sealChunk(engine, manifest.batch, 0)
    await sealChunk(engine, manifest.batch, 2)
    await redis.xtrim(engine.keys.events, 'MAXLEN', 10)
    const taken = await receiveAll(manifest)
    expect([...new Set(taken)].toSorted()).toEqual(idsOf(manifest))
    expect(await isBehind(manifest)).toBe(false)
  })

  it('is told from the results where the log has lost everything', async () => {
    const manifest = await behind()
    await redis.xtrim(engine.keys.events, 'MAXLEN', 0)
    const taken = await receiveAll(manifest)
    expect([...new Set(taken)].toSorted()).toEqual(idsOf(manifest))
    expect(await isBehind(manifest)).toBe(false)
  })

  it('is told with the same line as the log would have told', async () => {
    const manifest = await acceptBatch(engine, 3, ofItems)
    await settleItems(manifest, 0, 3)
    await relayEvents(engine)
    const before = await receive(engine, 3)
    await redis.del(engine.keys.relayCursor)
    await redis.hset(engine.keys.behind, manifest.batch, '1-1')
    await relayBehind(engine, manifest.batch)
    const lines = (told: readonly OpenDelivery[]): object[] =>
      told.map(({ event, type, data: { sequence: _, ...line } }) => ({ event, type, line }))
    expect(lines(await openDeliveries(engine))).toEqual(lines(before))
  })

  it('is told to whoever wants to hear of items, also where it was the relay itself that fell behind the log', async () => {
    const [one, two] = [await acceptBatch(engine, 30, ofItems), await acceptBatch(engine, 30)]
    await relayEvents(engine)
    await settleItems(one, 0, 30)
    await settleItems(two, 0, 30)
    await redis.xtrim(engine.keys.events, 'MAXLEN', 5)
    await relayEvents(engine)
    expect((await receiveAll(one)).toSorted()).toEqual(idsOf(one))
    expect(await isBehind(two)).toBe(false)
  })
})

describe('relayBehind', () => {
  it('does nothing for a webhook that is not behind, and forgets one whose batch was deleted', async () => {
    const manifest = await acceptBatch(engine, 3, ofItems)
    await relayBehind(engine, manifest.batch)
    expect(await openDeliveries(engine)).toEqual([])
    await redis.hset(engine.keys.behind, manifest.batch, '0-0')
    await store.remove(`batches/${manifest.batch}/manifest.json`)
    await relayBehind(engine, manifest.batch)
    expect(await isBehind(manifest)).toBe(false)
  })
})

describe('a loss of Redis', () => {
  it('takes no item event with it whose outcome is in the ledger: all are told again, under the same ids', async () => {
    const manifest = await acceptBatch(engine, 600, ofItems)
    await settleItems(manifest, 0, 500)
    await sealChunk(engine, manifest.batch, 0)
    // All of it is forgotten: the batch, the log, the cursor, and what is under way to the receiver.
    const forgotten = await redis.keys(`${engine.keys.prefix.replaceAll(/[{}]/g, '*')}:*`)
    await redis.del(...forgotten.filter((key) => !key.endsWith(':epoch')))
    expect(await reviveBatch(engine, { batch: manifest.batch, round: 1 })).toBe('created')
    await relayBehind(engine, manifest.batch)
    const taken = await receiveAll(manifest)
    expect([...new Set(taken)].toSorted()).toEqual(idsOf({ ...manifest, total: 500 }))
    expect(await isBehind(manifest)).toBe(false)
  })
})
