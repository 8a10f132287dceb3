import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { catchUp } from '../../../../src/shared/batch/catch-up.ts'
import { nothingToBook, putBack } from '../../../../src/shared/batch/put-back.ts'
import { reviveBatch } from '../../../../src/shared/batch/revive.ts'
import { itemId } from '../../../../src/shared/contract/ids.ts'
import type { ItemOutcome, StoredResultLine } from '../../../../src/shared/contract/result.ts'
import { chunkOf, mergeResultChunk } from '../../../../src/shared/ledger/chunks.ts'
import { changeControl, type Control } from '../../../../src/shared/ledger/control.ts'
import type { Manifest } from '../../../../src/shared/ledger/manifest.ts'
import type { Store } from '../../../../src/shared/ledger/store.ts'
import type { Redis } from '../../../../src/shared/redis/connect.ts'
import { formatUsd } from '../../../../src/shared/money/usd.ts'
import {
  claim,
  claimAndGrant,
  newHold,
  openRedis,
  priceNano,
  readEvents,
  readState,
  settle,
} from '../../../support/engine.ts'
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

/** What was sealed of an item before Redis came back older: so many calls, of which each cost its price. */
async function inLedger(
  manifest: Manifest,
  index: number,
  status: ItemOutcome,
  calls: number,
  round = 1,
): Promise<void> {
  const line: StoredResultLine = {
    id: itemId(manifest.batch, index),
    custom_id: `item-${String(index + 1)}`,
    status,
    response: null,
    error: null,
    attempts: calls,
    cost_usd: formatUsd(calls * priceNano),
    round,
    attempt_log: [],
  }
  await mergeResultChunk(store, manifest.batch, chunkOf(index), [line])
}

const say = (manifest: Manifest, what: Partial<Control>): Promise<Control> =>
  changeControl(store, manifest.batch, (control) => ({ ...control, ...what }))

describe('catchUp', () => {
  it('settles what the ledger has an outcome of, with its calls and cost, and tells of none of it again', async () => {
    const manifest = await acceptBatch(engine, 1003, {
      webhook: { url: 'https://a.example', events: ['item.succeeded'] },
    })
    await inLedger(manifest, 0, 'succeeded', 1)
    await inLedger(manifest, 501, 'reused', 0)
    await inLedger(manifest, 502, 'failed', 3)
    await inLedger(manifest, 1002, 'succeeded', 2)
    expect(await catchUp(engine, manifest.batch)).toBe(true)
    const { live, states } = await readState(engine, manifest.batch)
    expect([0, 501, 502, 1002, 1].map((index) => states[index])).toEqual([
      'succeeded',
      'reused',
      'failed',
      'succeeded',
      'open',
    ])
    expect(live).toMatchObject({ open: 999, images: 2, calls: 6, cost_nano: 6 * priceNano, status: 'in_progress' })
    expect(await redis.hgetall(engine.keys.batch(manifest.batch).settled)).toEqual({ 0: '1', 1: '2', 2: '1' })
    expect((await readEvents(engine)).map(({ type }) => type)).toEqual(['batch.in_progress'])
    expect(await redis.exists(engine.keys.unwritten)).toBe(0)
  })

  it('changes nothing the second time', async () => {
    const manifest = await acceptBatch(engine, 3)
    await inLedger(manifest, 1, 'succeeded', 1)
    await catchUp(engine, manifest.batch)
    const state = await readState(engine, manifest.batch)
    await catchUp(engine, manifest.batch)
    expect(await readState(engine, manifest.batch)).toEqual(state)
  })

  it('makes the usage anew: what Redis remembers of an item is part of what its line says, and is not counted twice', async () => {
    const manifest = await acceptBatch(engine, 2)
    const hold = newHold(manifest, 0)
    await claimAndGrant(engine, hold)
    await putBack(redis, engine.keys, hold, { ...nothingToBook, calls: 1, bad: 1, costNano: priceNano }, false)
    await inLedger(manifest, 0, 'succeeded', 2)
    await catchUp(engine, manifest.batch)
    const { live, tries } = await readState(engine, manifest.batch)
    expect(live).toMatchObject({ calls: 2, cost_nano: 2 * priceNano })
    expect(tries).toEqual({})
    const { log, claimed } = engine.keys.batch(manifest.batch)
    expect(await redis.exists(log, claimed)).toBe(0)
  })

  it('leaves what Redis has settled to Redis, also where it is not in the ledger yet', async () => {
    const manifest = await acceptBatch(engine, 3)
    const hold = newHold(manifest, 0)
    await claimAndGrant(engine, hold)
    await settle(engine, manifest, hold, 'succeeded', { ownObjectCostNano: priceNano })
    await inLedger(manifest, 0, 'succeeded', 1)
    await settle(engine, manifest, newHold(manifest, 1), 'reused')
    const { live } = await readState(engine, manifest.batch)
    await catchUp(engine, manifest.batch)
    const after = await readState(engine, manifest.batch)
    expect(after.live).toMatchObject({ succeeded: 1, reused: 1, calls: live.calls, cost_nano: live.cost_nano })
    expect(await redis.hlen(engine.keys.batch(manifest.batch).outcomes(0))).toBe(2)
  })

  it('brings a batch with an outcome for every item to be finished', async () => {
    const manifest = await acceptBatch(engine, 2)
    await settle(engine, manifest, newHold(manifest, 0), 'reused')
    await inLedger(manifest, 1, 'failed', 1)
    await catchUp(engine, manifest.batch)
    expect((await readState(engine, manifest.batch)).live).toMatchObject({ status: 'finalizing', open: 0 })
  })

  it('counts reservations anew: whose were ended since, nobody knows; who still calls takes nothing off twice', async () => {
    const manifest = await acceptBatch(engine, 3, { budget_nano: 2 * priceNano })
    const [ended, alive] = [newHold(manifest, 0, { process: 'ended' }), newHold(manifest, 1)]
    await claimAndGrant(engine, ended)
    await claimAndGrant(engine, alive)
    await inLedger(manifest, 0, 'succeeded', 1)
    await catchUp(engine, manifest.batch)
    expect((await readState(engine, manifest.batch)).live).toMatchObject({ reserved_nano: 0, cost_nano: priceNano })
    await putBack(redis, engine.keys, alive, nothingToBook, false)
    expect((await readState(engine, manifest.batch)).live).toMatchObject({ reserved_nano: 0 })
    await claimAndGrant(engine, newHold(manifest, 2))
    expect((await readState(engine, manifest.batch)).live).toMatchObject({ reserved_nano: priceNano })
  })

  it('applies what was said since, and only a higher version', async () => {
    const manifest = await acceptBatch(engine, 3)
    await say(manifest, { paused_at_ms: 77 })
    await catchUp(engine, manifest.batch)
    expect((await readState(engine, manifest.batch)).live).toMatchObject({ paused_at_ms: 77, control_version: 1 })
    expect(await redis.exists(engine.keys.feedBatches('standard', 'default'))).toBe(0)
    await redis.hset(engine.keys.batch(manifest.batch).live, 'control_version', 5)
    await say(manifest, { paused_at_ms: null })
    await catchUp(engine, manifest.batch)
    expect((await readState(engine, manifest.batch)).live).toMatchObject({ paused_at_ms: 77, control_version: 5 })
  })

  it('drops a batch of an earlier round, which then comes back in the round that the ledger says', async () => {
    const manifest = await acceptBatch(engine, 3)
    await settle(engine, manifest, newHold(manifest, 0), 'reused')
    await inLedger(manifest, 0, 'reused', 0)
    await say(manifest, { round: 2 })
    expect(await catchUp(engine, manifest.batch)).toBe(false)
    expect(await redis.exists(engine.keys.batch(manifest.batch).live)).toBe(0)
    expect(await reviveBatch(engine, { batch: manifest.batch, round: 2 })).toBe('created')
    expect((await readState(engine, manifest.batch)).live).toMatchObject({ round: 2, reused: 1, open: 2 })
  })

  it('takes no outcome of an earlier round for one of this round', async () => {
    const manifest = await acceptBatch(engine, 2)
    await redis.hset(engine.keys.batch(manifest.batch).live, 'round', 2)
    await inLedger(manifest, 0, 'failed', 1, 1)
    await inLedger(manifest, 1, 'failed', 1, 2)
    await catchUp(engine, manifest.batch)
    expect((await readState(engine, manifest.batch)).states).toEqual(['open', 'failed'])
  })

  it('changes nothing of a batch that has ended, or is not there', async () => {
    const manifest = await acceptBatch(engine, 2)
    await inLedger(manifest, 0, 'failed', 1)
    const { live } = engine.keys.batch(manifest.batch)
    await redis.hset(live, 'status', 'ended')
    const before = await readState(engine, manifest.batch)
    await catchUp(engine, manifest.batch)
    expect(await readState(engine, manifest.batch)).toEqual(before)
    await redis.del(live)
    expect(await catchUp(engine, manifest.batch)).toBe(false)
    expect(await redis.exists(live)).toBe(0)
  })
})

describe('reviveBatch', () => {
  it('brings back what Redis lost, as the ledger has it: outcomes, control, budget', async () => {
    const manifest = await acceptBatch(engine, 3, { budget_nano: 10 * priceNano })
    const hold = newHold(manifest, 2)
    await claim(engine, hold)
    await inLedger(manifest, 0, 'succeeded', 2)
    await say(manifest, { paused_at_ms: 77, budget_nano: 20 * priceNano })
    await redis.del(...(await redis.keys(`${engine.keys.prefix}:*`)))
    expect(await reviveBatch(engine, { batch: manifest.batch, round: 1 })).toBe('created')
    const { live, states } = await readState(engine, manifest.batch)
    expect(states).toEqual(['succeeded', 'open', 'open'])
    expect(live).toMatchObject({ calls: 2, cost_nano: 2 * priceNano, reserved_nano: 0, images: 1 })
    expect(live).toMatchObject({ paused_at_ms: 77, control_version: 1, budget_nano: 20 * priceNano })
    expect(await redis.exists(engine.keys.feedBatches('standard', 'default'))).toBe(0)
    expect(await reviveBatch(engine, { batch: manifest.batch, round: 1 })).toBe('exists')
  })

  it('brings back one batch where many try at once', async () => {
    const manifest = await acceptBatch(engine, 3)
    await redis.del(engine.keys.batch(manifest.batch).live)
    const marker = { batch: manifest.batch, round: 1 }
    const found = await Promise.all(Array.from({ length: 6 }, () => reviveBatch(engine, marker)))
    expect(found.toSorted()).toEqual(['created', ...Array<string>(5).fill('exists')])
  })

  it('says what was said while it read the ledger', async () => {
    const manifest = await acceptBatch(engine, 3)
    await redis.del(engine.keys.batch(manifest.batch).live)
    let paused = false
    const slow: Store = {
      ...store,
      async get(key, deadlineMs) {
        if (key.includes('/results/') && !paused) {
          paused = true
          await say(manifest, { paused_at_ms: 77 })
        }
        return await store.get(key, deadlineMs)
      },
    }
    await reviveBatch({ ...engine, store: slow }, { batch: manifest.batch, round: 1 })
    expect((await readState(engine, manifest.batch)).live).toMatchObject({ paused_at_ms: 77, control_version: 1 })
  })

  it('makes nothing of a marker without a manifest, nor of a round that nobody has asked for', async () => {
    const manifest = await acceptBatch(engine, 3)
    const { live } = engine.keys.batch(manifest.batch)
    await redis.del(live)
    expect(await reviveBatch(engine, { batch: manifest.batch, round: 2 })).toBe('unsaid')
    await store.remove(`batches/${manifest.batch}/manifest.json`)
    expect(await reviveBatch(engine, { batch: manifest.batch, round: 1 })).toBe('no_manifest')
    expect(await redis.exists(live)).toBe(0)
  })
})
