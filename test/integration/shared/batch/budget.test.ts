import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { freeBudget } from '../../../../src/shared/batch/free-budget.ts'
import { grantCall, type Grant } from '../../../../src/shared/batch/grant.ts'
import { handBack } from '../../../../src/shared/batch/hand-back.ts'
import type { Hold } from '../../../../src/shared/batch/hold.ts'
import { nothingToBook, putBack } from '../../../../src/shared/batch/put-back.ts'
import { recordAnswer } from '../../../../src/shared/batch/record-answer.ts'
import type { Manifest } from '../../../../src/shared/ledger/manifest.ts'
import { openQueues, type Queues } from '../../../../src/shared/queues/open.ts'
import type { Redis } from '../../../../src/shared/redis/connect.ts'
import {
  claim,
  claimAndGrant,
  freshEngine,
  grant,
  newBatch,
  newHold,
  openRedis,
  priceNano,
  readFence,
  readState,
  runId,
  settle,
} from '../../../support/engine.ts'
import type { Engine } from '../../../support/engine.ts'

let redis: Redis
let engine: Engine
let queues: Queues
beforeAll(() => {
  redis = openRedis()
})
afterAll(() => {
  redis.disconnect()
})
beforeEach(async () => {
  engine = await freshEngine(redis)
  queues = openQueues(redis, engine.keys.prefix, (error) => {
    throw error
  })
})

const unknownCall = { ...nothingToBook, calls: 1, unknown: 1, costNano: priceNano }
const nowMs = 1_700_000_050_000

/** A batch that may cost so many calls, all its items fed. */
const budgeted = (items: number, calls: number): Promise<Manifest> =>
  newBatch(engine, items, { fed: items, options: { budget_nano: calls * priceNano } })

async function claimed(manifest: Manifest, index: number, more: Partial<Hold> = {}): Promise<Hold> {
  const hold = newHold(manifest, index, more)
  expect(await claim(engine, hold)).toMatchObject({ kind: 'claimed' })
  return hold
}

async function granted(manifest: Manifest, index: number, more: Partial<Hold> = {}): Promise<Hold> {
  const hold = newHold(manifest, index, more)
  await claimAndGrant(engine, hold)
  return hold
}

/** What is reserved and what is spent, in calls. */
async function moneyOf({ batch }: Manifest): Promise<[reserved: number, spent: number]> {
  const { live } = await readState(engine, batch)
  return [live.reserved_nano / priceNano, live.cost_nano / priceNano]
}

async function free({ batch }: Manifest): Promise<void> {
  await freeBudget({ redis, keys: engine.keys, queues }, batch, (await readState(engine, batch)).live)
}

const inTurn = (): Promise<string[]> => redis.lrange(engine.keys.feedBatches('standard', 'default'), 0, -1)

describe('a reservation', () => {
  it('is made with the grant, once for one call however often that is asked for', async () => {
    const manifest = await budgeted(2, 2)
    const hold = await granted(manifest, 0)
    expect(await moneyOf(manifest)).toEqual([1, 0])
    expect(await grant(engine, hold)).toBe('granted')
    expect(await moneyOf(manifest)).toEqual([1, 0])
  })

  it('is made where there is no budget, too: one may be set while calls are under way', async () => {
    const manifest = await newBatch(engine, 1, { fed: 1 })
    await granted(manifest, 0)
    expect(await moneyOf(manifest)).toEqual([1, 0])
  })

  const endings: [string, (manifest: Manifest, hold: Hold) => Promise<unknown>, number][] = [
    ['an answer', (_, hold) => recordAnswer(redis, engine.keys, hold, undefined), 1],
    ['an answer with a URL', (_, hold) => recordAnswer(redis, engine.keys, hold, 'https://cdn.example/a.png'), 1],
    ['nothing that was sent', (_, hold) => putBack(redis, engine.keys, hold, nothingToBook, false), 0],
    ['a refusal', (_, hold) => putBack(redis, engine.keys, hold, { ...nothingToBook, calls: 1 }, false), 0],
    ['an unknown outcome', (_, hold) => putBack(redis, engine.keys, hold, unknownCall, false), 1],
    ['a failure', (m, hold) => settle(engine, m, hold, 'failed', { booking: { ...nothingToBook, calls: 1 } }), 0],
    ['a failure of unknown cost', (m, hold) => settle(engine, m, hold, 'failed', { booking: unknownCall }), 1],
    ['a success', (m, hold) => settle(engine, m, hold, 'succeeded', { ownObjectCostNano: priceNano }), 1],
    ['a hand-back', (_, hold) => handBack(redis, engine.keys, hold, { claimed: true, nowMs }), 0],
    ['a takeover', (m) => claim(engine, newHold(m, 0)), 1],
  ]

  it.each(endings)('is gone after %s, and spent is what the call cost', async (_, end, spent) => {
    const manifest = await budgeted(2, 2)
    const hold = await granted(manifest, 0, { process: 'other' })
    await end(manifest, hold)
    expect(await moneyOf(manifest)).toEqual([0, spent])
    await end(manifest, hold)
    expect(await moneyOf(manifest)).toEqual([0, spent])
  })

  it.each(endings)('of no price is gone after %s: the price may be unknown', async (_, end) => {
    const manifest = await newBatch(engine, 2, { fed: 2 })
    const hold = await claimed(manifest, 0, { process: 'other' })
    expect(await grantCall(redis, engine.keys, runId, hold, { priceNano: 0, probe: false })).toBe('granted')
    await end(manifest, hold)
    expect((await readState(engine, manifest.batch)).live).toMatchObject({ reserved_nano: 0 })
  })

  it('of a dead attempt for another batch is booked where it was made', async () => {
    const [one, two] = [await budgeted(1, 1), await budgeted(1, 1)]
    const stem = 'shared/shoe'
    await granted(one, 0, { process: 'other', stem })
    await claimed(two, 0, { stem })
    expect(await moneyOf(one)).toEqual([0, 1])
    expect(await moneyOf(two)).toEqual([0, 0])
  })

  it('of a dead attempt is booked also where another one has settled the item meanwhile', async () => {
    const manifest = await budgeted(2, 3)
    const zombie = await granted(manifest, 0, { process: 'zombie' })
    await granted(manifest, 0, { process: 'other' })
    expect(await moneyOf(manifest)).toEqual([1, 1])
    await settle(engine, manifest, zombie, 'succeeded', { ownObjectCostNano: priceNano })
    expect(await moneyOf(manifest)).toEqual([1, 1])
    // The other one died; its job comes again.
    const next = newHold(manifest, 0)
    expect(await claim(engine, next)).toEqual({ kind: 'settled' })
    expect(await moneyOf(manifest)).toEqual([0, 2])
    expect((await readState(engine, manifest.batch)).live).toMatchObject({ calls: 2, indeterminate: 1 })
    expect(await readFence(engine, next)).toEqual({})
    expect(await claim(engine, next)).toEqual({ kind: 'settled' })
    expect(await moneyOf(manifest)).toEqual([0, 2])
  })

  it('of a living attempt stays where another one has settled the item meanwhile', async () => {
    const manifest = await budgeted(2, 3)
    const zombie = await granted(manifest, 0, { process: 'zombie' })
    const hold = await granted(manifest, 0)
    await settle(engine, manifest, zombie, 'succeeded', { ownObjectCostNano: priceNano })
    expect(await claim(engine, newHold(manifest, 0), () => true)).toEqual({ kind: 'settled' })
    expect(await moneyOf(manifest)).toEqual([1, 1])
    await putBack(redis, engine.keys, hold, nothingToBook, false)
    expect(await moneyOf(manifest)).toEqual([0, 1])
  })
})

describe('a budget', () => {
  it('lets as many calls through as it has room for, and not one more, however many ask at once', async () => {
    const manifest = await budgeted(12, 5)
    const holds = await Promise.all(Array.from({ length: 12 }, (_, index) => claimed(manifest, index)))
    const grants = await Promise.all(holds.map((hold): Promise<Grant> => grant(engine, hold)))
    expect(grants.filter((answer) => answer === 'granted')).toHaveLength(5)
    expect(grants.filter((answer) => answer === 'over_budget')).toHaveLength(7)
    expect(await moneyOf(manifest)).toEqual([5, 0])
  })

  it('counts what is spent and what is reserved together', async () => {
    const manifest = await budgeted(4, 3)
    await recordAnswer(redis, engine.keys, await granted(manifest, 0), undefined)
    await putBack(redis, engine.keys, await granted(manifest, 1), unknownCall, false)
    await granted(manifest, 2)
    expect(await moneyOf(manifest)).toEqual([1, 2])
    const last = await claimed(manifest, 3)
    expect(await grant(engine, last)).toBe('over_budget')
    expect(await readFence(engine, last)).not.toHaveProperty('calling')
    expect((await readState(engine, manifest.batch)).states[3]).toBe('fed')
  })

  it('takes a call that costs all that is left, and none that costs a nano-dollar more', async () => {
    const manifest = await newBatch(engine, 2, { fed: 2, options: { budget_nano: 2 * priceNano - 1 } })
    await granted(manifest, 0)
    const hold = await claimed(manifest, 1)
    const call = { priceNano, probe: false }
    expect(await grantCall(redis, engine.keys, runId, hold, call)).toBe('over_budget')
    const cheaper = { ...call, priceNano: priceNano - 1 }
    expect(await grantCall(redis, engine.keys, runId, hold, cheaper)).toBe('granted')
  })

  it('has room again when a call comes to nothing: then the batch goes on, and is fed once', async () => {
    const manifest = await budgeted(2, 1)
    const first = await granted(manifest, 0)
    const second = await claimed(manifest, 1)
    expect(await grant(engine, second)).toBe('over_budget')
    await handBack(redis, engine.keys, second, { claimed: true, overBudgetNano: priceNano, nowMs })
    await free(manifest)
    expect((await readState(engine, manifest.batch)).live).toMatchObject({ over_budget: priceNano })
    expect(await inTurn()).toEqual([])

    await putBack(redis, engine.keys, first, { ...nothingToBook, calls: 1 }, false)
    await free(manifest)
    const { live } = await readState(engine, manifest.batch)
    expect(live).not.toHaveProperty('over_budget')
    expect(live).not.toHaveProperty('over_budget_at_ms')
    expect(await inTurn()).toEqual([manifest.batch])
    await free(manifest)
    expect(await inTurn()).toEqual([manifest.batch])
  })
})
