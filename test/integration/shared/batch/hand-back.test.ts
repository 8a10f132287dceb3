import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { applyControl } from '../../../../src/shared/batch/apply-control.ts'
import { takeTurn } from '../../../../src/shared/batch/feed-turn.ts'
import { handBack } from '../../../../src/shared/batch/hand-back.ts'
import type { Hold } from '../../../../src/shared/batch/hold.ts'
import { firstControl, type Control } from '../../../../src/shared/ledger/control.ts'
import type { Manifest } from '../../../../src/shared/ledger/manifest.ts'
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
  runId,
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

const nowMs = 1_700_000_050_000
const over = { claimed: true, overBudgetNano: priceNano }

function handBackOf(
  hold: Hold,
  why: { claimed: boolean; overBudgetNano?: number } = { claimed: true },
): Promise<string> {
  return handBack(redis, engine.keys, hold, { ...why, nowMs })
}

async function say(manifest: Manifest, version: number, what: Partial<Control>): Promise<void> {
  expect(await applyControl(redis, engine.keys, manifest, { ...firstControl, version, ...what }, nowMs)).toBe('applied')
}

const pause = (manifest: Manifest): Promise<void> => say(manifest, 1, { paused_at_ms: nowMs })
const inTurn = (): Promise<string[]> => redis.lrange(engine.keys.feedBatches('standard', 'default'), 0, -1)
const claimedOf = ({ batch }: Manifest): Promise<string[]> => redis.smembers(engine.keys.batch(batch).claimed)

describe('handBack', () => {
  it('makes a claimed item open again, its fence gone, and the cursor at the lowest such item', async () => {
    const manifest = await newBatch(engine, 6, { fed: 5 })
    const [second, fourth] = [newHold(manifest, 1), newHold(manifest, 3)]
    await claimAndGrant(engine, fourth)
    await claim(engine, second)
    await pause(manifest)
    expect(await handBackOf(fourth)).toBe('back')
    expect((await readState(engine, manifest.batch)).live.cursor).toBe(3)
    expect(await handBackOf(second)).toBe('back')
    const { live, states } = await readState(engine, manifest.batch)
    expect(states).toEqual(['fed', 'open', 'fed', 'open', 'fed', 'open'])
    expect(live).toMatchObject({ cursor: 1, open: 3, fed: 3, in_progress: 0, reserved_nano: 0, calls: 0 })
    expect([await readFence(engine, second), await readFence(engine, fourth)]).toEqual([{}, {}])
    expect(await claimedOf(manifest)).toEqual([])
  })

  it('changes nothing the second time', async () => {
    const manifest = await newBatch(engine, 2, { fed: 2 })
    const hold = newHold(manifest, 0)
    await claimAndGrant(engine, hold)
    await handBackOf(hold, over)
    const [state, events] = [await readState(engine, manifest.batch), await readEvents(engine)]
    expect(await handBackOf(hold, over)).toBe('lost')
    expect([await readState(engine, manifest.batch), await readEvents(engine)]).toEqual([state, events])
  })

  it('does nothing where another attempt took over', async () => {
    const manifest = await newBatch(engine, 1, { fed: 1 })
    const slow = newHold(manifest, 0, { process: 'slow' })
    await claimAndGrant(engine, slow)
    const next = newHold(manifest, 0)
    await claimAndGrant(engine, next)
    const [fence, state] = [await readFence(engine, next), await readState(engine, manifest.batch)]
    expect(await handBackOf(slow)).toBe('lost')
    expect([await readFence(engine, next), await readState(engine, manifest.batch)]).toEqual([fence, state])
  })

  it('of an item that was never claimed leaves the fence of a dead attempt to be booked by whoever takes it over', async () => {
    const manifest = await newBatch(engine, 1, { fed: 1 })
    const dead = newHold(manifest, 0, { process: 'dead' })
    await claimAndGrant(engine, dead)
    await pause(manifest)
    const hold = newHold(manifest, 0)
    expect(await claim(engine, hold)).toEqual({ kind: 'paused' })
    expect(await handBackOf(hold, { claimed: false })).toBe('back')
    expect(await readFence(engine, dead)).toMatchObject({ process: 'dead', calling: '1' })
    expect(await claimedOf(manifest)).toEqual(['0'])
    const { live, states } = await readState(engine, manifest.batch)
    expect(states).toEqual(['open'])
    expect(live).toMatchObject({ reserved_nano: priceNano, calls: 0 })
    await say(manifest, 2, {})
    const next = newHold(manifest, 0)
    expect(await claim(engine, next)).toMatchObject({ kind: 'claimed', tries: { calls: 1, unknown: 1 } })
    expect((await readState(engine, manifest.batch)).live).toMatchObject({ reserved_nano: 0, cost_nano: priceNano })
  })

  it('gives the feed what it needs to go on, once the batch is resumed', async () => {
    const manifest = await newBatch(engine, 3, { fed: 3 })
    const hold = newHold(manifest, 1)
    await claim(engine, hold)
    await pause(manifest)
    await handBackOf(hold)
    expect(await inTurn()).toEqual([])
    await say(manifest, 2, {})
    expect(await inTurn()).toEqual([manifest.batch])
    expect(await takeTurn(redis, engine.keys, runId, 'standard', 5)).toMatchObject({ kind: 'items', indexes: [1] })
  })

  it('asks for a feed where whatever was in the way is gone already', async () => {
    const manifest = await newBatch(engine, 2, { fed: 2 })
    await takeTurn(redis, engine.keys, runId, 'standard', 5)
    const hold = newHold(manifest, 0)
    await claim(engine, hold)
    expect(await inTurn()).toEqual([])
    expect(await handBackOf(hold)).toBe('in_turn')
    expect(await inTurn()).toEqual([manifest.batch])
  })

  it('over the budget takes the batch out of turn, says for what it has no room and since when, and tells of it once', async () => {
    const manifest = await newBatch(engine, 4, { fed: 2 })
    expect(await inTurn()).toEqual([manifest.batch])
    const holds = [newHold(manifest, 0), newHold(manifest, 1)]
    for (const hold of holds) await claim(engine, hold)
    expect(await handBackOf(holds[0] as Hold, over)).toBe('back')
    const stopped = { over_budget: priceNano, over_budget_at_ms: nowMs }
    expect((await readState(engine, manifest.batch)).live).toMatchObject(stopped)
    expect(await inTurn()).toEqual([])
    await handBack(redis, engine.keys, holds[1] as Hold, {
      claimed: true,
      overBudgetNano: 2 * priceNano,
      nowMs: nowMs + 9,
    })
    expect((await readState(engine, manifest.batch)).live).toMatchObject(stopped)
    expect((await readEvents(engine)).slice(1)).toMatchObject([
      { type: 'budget.threshold_reached', batch: manifest.batch, round: '1', sequence: '2', control: '0' },
    ])
  })

  it('tells of the budget again only where something was said of the batch in between', async () => {
    const manifest = await newBatch(engine, 4, { fed: 4, options: { budget_nano: 1 } })
    const stop = async (index: number): Promise<void> => {
      const hold = newHold(manifest, index)
      await redis.hdel(engine.keys.batch(manifest.batch).live, 'over_budget', 'over_budget_at_ms')
      expect(await claim(engine, hold)).toMatchObject({ kind: 'claimed' })
      await handBackOf(hold, over)
    }
    const told = async (): Promise<string[]> =>
      (await readEvents(engine))
        .filter(({ type }) => type === 'budget.threshold_reached')
        .map(({ control = '' }) => control)
    await stop(0)
    await stop(1)
    expect(await told()).toEqual(['0'])
    await say(manifest, 1, { budget_nano: 2 })
    await stop(2)
    await stop(3)
    expect(await told()).toEqual(['0', '1'])
  })

  it('leaves an item alone that has its outcome', async () => {
    const manifest = await newBatch(engine, 2, { fed: 2 })
    const hold = newHold(manifest, 0)
    await claimAndGrant(engine, hold)
    await settle(engine, manifest, newHold(manifest, 0, { process: 'zombie' }), 'succeeded')
    await handBackOf(hold)
    const { live, states } = await readState(engine, manifest.batch)
    expect(states).toEqual(['succeeded', 'fed'])
    expect(live).toMatchObject({ reserved_nano: 0 })
    expect(await readFence(engine, hold)).toEqual({})
  })

  it('makes no batch that Redis does not have', async () => {
    const manifest = await newBatch(engine, 1, { fed: 1 })
    const hold = newHold(manifest, 0)
    await claim(engine, hold)
    const { live, states } = engine.keys.batch(manifest.batch)
    await redis.del(live, states)
    await handBackOf(hold, over)
    await handBackOf(hold, { claimed: false, overBudgetNano: 1 })
    expect(await redis.exists(live, states)).toBe(0)
  })
})
