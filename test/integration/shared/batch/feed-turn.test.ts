import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { markFed, takeTurn, type Turn } from '../../../../src/shared/batch/feed-turn.ts'
import type { Priority } from '../../../../src/shared/contract/priority.ts'
import type { Redis } from '../../../../src/shared/redis/connect.ts'
import { freshEngine, known, newBatch, newHold, openRedis, readState, runId, settle } from '../../../support/engine.ts'
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

const turn = (count = 10, priority: Priority = 'standard', run = runId): Promise<Turn> =>
  takeTurn(redis, engine.keys, run, priority, count)

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from }, (_, at) => from + at)
}

describe('takeTurn', () => {
  it('gives the next open items from the cursor on, and moves nothing: their jobs are added first', async () => {
    const { batch } = await newBatch(engine, 25)
    const before = await readState(engine, batch)
    expect(await turn()).toEqual({ kind: 'items', tenant: 'default', batch, indexes: range(0, 10) })
    expect(await turn()).toEqual({ kind: 'items', tenant: 'default', batch, indexes: range(0, 10) })
    expect(await readState(engine, batch)).toEqual(before)
  })

  it('goes round the tenants, and round the batches of each, however they split their work', async () => {
    const a1 = await newBatch(engine, 9, { tenant: 'a' })
    const a2 = await newBatch(engine, 9, { tenant: 'a' })
    const a3 = await newBatch(engine, 9, { tenant: 'a' })
    const b1 = await newBatch(engine, 9, { tenant: 'b' })
    const turns: Turn[] = []
    for (let at = 0; at < 8; at += 1) turns.push(await turn(3))
    const batches = turns.map((taken) => (taken.kind === 'items' ? taken.batch : taken.kind))
    expect(batches).toEqual([a1, b1, a2, b1, a3, b1, a1, b1].map(({ batch }) => batch))
  })

  it('keeps the priorities apart', async () => {
    await newBatch(engine, 3, { options: { priority: 'bulk' } })
    const interactive = await newBatch(engine, 3, { options: { priority: 'interactive' } })
    expect(await turn(10, 'standard')).toEqual({ kind: 'none' })
    expect(await turn(10, 'interactive')).toMatchObject({ batch: interactive.batch })
  })

  it('looks at no more than a chunk of states a turn; where all of them are settled the cursor passes them', async () => {
    const outcomes = new Map(
      range(0, 700).map((index) => [index, { status: 'reused' as const, attempts: 0, cost_usd: '0.00' }]),
    )
    const { batch } = await newBatch(engine, 705, { known: known(outcomes) })
    expect(await turn()).toMatchObject({ kind: 'items', indexes: [] })
    expect((await readState(engine, batch)).live.cursor).toBe(500)
    expect(await turn()).toMatchObject({ kind: 'items', indexes: range(700, 705) })
    expect((await readState(engine, batch)).live.cursor).toBe(500)
  })

  it('starts again at the front where open items lie behind the cursor', async () => {
    const { batch } = await newBatch(engine, 6)
    await markFed(redis, engine.keys, batch, [1, 2, 3, 4, 5])
    expect(await turn()).toMatchObject({ kind: 'items', indexes: [] })
    expect(await turn()).toMatchObject({ kind: 'items', indexes: [0] })
  })

  it('takes a batch with nothing open out of the turn, and its tenant with the last of them', async () => {
    const full = await newBatch(engine, 2, { fed: 2 })
    const open = await newBatch(engine, 2)
    const { keys } = engine
    expect(await turn()).toEqual({ kind: 'empty' })
    expect(await redis.lrange(keys.feedBatches('standard', 'default'), 0, -1)).toEqual([open.batch])
    expect(await turn()).toMatchObject({ kind: 'items', batch: open.batch })
    await markFed(redis, keys, open.batch, [0, 1])
    expect(await turn()).toEqual({ kind: 'empty' })
    expect(await redis.exists(keys.feedTenants('standard'), keys.feedBatches('standard', 'default'))).toBe(0)
    expect(await turn()).toEqual({ kind: 'none' })
    expect((await readState(engine, full.batch)).live.fed).toBe(2)
  })

  it('takes a batch out of the turn that is finished, and one that Redis does not have', async () => {
    const finished = await newBatch(engine, 1)
    await redis.hset(engine.keys.batch(finished.batch).live, 'status', 'finalizing')
    const lost = await newBatch(engine, 1)
    await redis.del(engine.keys.batch(lost.batch).live)
    expect([await turn(), await turn(), await turn()]).toEqual([{ kind: 'empty' }, { kind: 'empty' }, { kind: 'none' }])
    expect(await redis.exists(engine.keys.batch(lost.batch).live)).toBe(0)
  })

  it('drops a tenant of whom no batch is left, and never one that got a batch in between', async () => {
    const { keys } = engine
    await redis.rpush(keys.feedTenants('standard'), 'default')
    expect(await turn()).toEqual({ kind: 'empty' })
    expect(await turn()).toEqual({ kind: 'none' })

    // Between the two reads of a turn a batch is accepted: it finds its tenant in the turn and leaves it there.
    await redis.rpush(keys.feedTenants('standard'), 'default')
    const slow = new Proxy(redis, {
      get(target, name, receiver) {
        if (name !== 'lmove') return Reflect.get(target, name, receiver) as unknown
        return async (from: string, to: string): Promise<string | null> => {
          const moved = await target.lmove(from, to, 'LEFT', 'RIGHT')
          if (moved === null) await newBatch(engine, 4)
          return moved
        }
      },
    })
    await takeTurn(slow, keys, runId, 'standard', 10)
    expect(await turn()).toMatchObject({ kind: 'items', indexes: [0, 1, 2, 3] })
  })

  it('gives nothing where this Redis was not held against the ledger, and while the living may speak first', async () => {
    const { batch } = await newBatch(engine, 3)
    expect(await turn(10, 'standard', 'another-run')).toEqual({ kind: 'wait', waitMs: 1000 })
    const [seconds] = await redis.time()
    await redis.hset(engine.keys.epoch, 'quiet_until_ms', Number(seconds) * 1000 + 60_000)
    const quiet = await turn()
    expect(quiet).toMatchObject({ kind: 'wait' })
    expect(quiet.kind === 'wait' && quiet.waitMs).toBeGreaterThan(58_000)
    await redis.del(engine.keys.epoch)
    expect(await turn()).toEqual({ kind: 'wait', waitMs: 1000 })
    expect((await readState(engine, batch)).live.open).toBe(3)
    expect(await redis.llen(engine.keys.feedBatches('standard', 'default'))).toBe(1)
  })
})

describe('markFed', () => {
  it('moves exactly the items named, with their counts, and the cursor behind them', async () => {
    const { batch } = await newBatch(engine, 6)
    await markFed(redis, engine.keys, batch, [0, 1, 3])
    const { live, states } = await readState(engine, batch)
    expect(states).toEqual(['fed', 'fed', 'open', 'fed', 'open', 'open'])
    expect(live).toMatchObject({ open: 3, fed: 3, cursor: 4 })
  })

  it('changes nothing the second time', async () => {
    const { batch } = await newBatch(engine, 4)
    await markFed(redis, engine.keys, batch, [0, 1])
    const before = await readState(engine, batch)
    await markFed(redis, engine.keys, batch, [0, 1])
    expect(await readState(engine, batch)).toEqual(before)
  })

  it('leaves an item alone that a worker was quicker with', async () => {
    const manifest = await newBatch(engine, 3)
    await settle(engine, manifest, newHold(manifest, 1), 'reused')
    await markFed(redis, engine.keys, manifest.batch, [0, 1])
    expect((await readState(engine, manifest.batch)).states).toEqual(['fed', 'reused', 'open'])
  })

  it('never moves the cursor back', async () => {
    const { batch } = await newBatch(engine, 9)
    await markFed(redis, engine.keys, batch, [5, 6])
    await markFed(redis, engine.keys, batch, [0, 1])
    expect((await readState(engine, batch)).live.cursor).toBe(7)
  })

  it('makes no batch that Redis does not have', async () => {
    const { batch } = await newBatch(engine, 2)
    const { live, states } = engine.keys.batch(batch)
    await redis.del(live, states)
    await markFed(redis, engine.keys, batch, [0, 1])
    expect(await redis.exists(live, states)).toBe(0)
  })
})
