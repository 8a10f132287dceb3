import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { endBatch } from '../../../../src/shared/batch/end.ts'
import { takeTurn } from '../../../../src/shared/batch/feed-turn.ts'
import { letGo, unwrittenOutcomes } from '../../../../src/shared/batch/let-go.ts'
import { reopenItems } from '../../../../src/shared/batch/reopen.ts'
import type { ItemOutcome } from '../../../../src/shared/contract/result.ts'
import type { Manifest } from '../../../../src/shared/ledger/manifest.ts'
import type { Redis } from '../../../../src/shared/redis/connect.ts'
import {
  claim,
  freshEngine,
  known,
  newBatch,
  newHold,
  openRedis,
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

/** A batch whose items are settled, fed and taken out of the feed's turn. */
async function settledBatch(outcomes: readonly ItemOutcome[]): Promise<Manifest> {
  const manifest = await newBatch(engine, outcomes.length, { fed: outcomes.length })
  for (const [index, status] of outcomes.entries()) {
    const hold = newHold(manifest, index)
    await claim(engine, hold)
    await settle(engine, manifest, hold, status)
  }
  expect(await takeTurn(redis, engine.keys, runId, 'standard', 10)).toEqual({ kind: 'empty' })
  return manifest
}

const reopen = (manifest: Manifest, indexes: readonly number[], round = 1): Promise<number> =>
  reopenItems(redis, engine.keys, manifest, round, indexes)

describe('reopenItems', () => {
  it('opens settled items again, with every count, and the batch goes on', async () => {
    const manifest = await settledBatch(['succeeded', 'reused', 'succeeded', 'cancelled'])
    expect(await reopen(manifest, [1, 2])).toBe(2)
    const { live, states } = await readState(engine, manifest.batch)
    expect(states).toEqual(['succeeded', 'open', 'open', 'cancelled'])
    expect(live).toMatchObject({ status: 'in_progress', images: 1, cursor: 1 })
    expect(live).not.toHaveProperty('finalizing_at_ms')
    expect(await redis.hgetall(engine.keys.batch(manifest.batch).settled)).toEqual({ 0: '2' })
  })

  it('feeds them again, and ends the batch when they are settled', async () => {
    const manifest = await settledBatch(['succeeded', 'succeeded', 'succeeded'])
    await reopen(manifest, [1])
    expect(await takeTurn(redis, engine.keys, runId, 'standard', 10)).toMatchObject({ indexes: [1] })
    const settled = await settle(engine, manifest, newHold(manifest, 1), 'succeeded')
    expect(settled).toMatchObject({ kind: 'settled', chunkFull: true, batchDone: true })
    expect((await readState(engine, manifest.batch)).live).toMatchObject({ status: 'finalizing', images: 3 })
  })

  it('changes nothing the second time', async () => {
    const manifest = await settledBatch(['succeeded', 'reused'])
    await reopen(manifest, [0, 1])
    const state = await readState(engine, manifest.batch)
    expect(await reopen(manifest, [0, 1])).toBe(0)
    expect(await readState(engine, manifest.batch)).toEqual(state)
    expect(await redis.lrange(engine.keys.feedBatches('standard', 'default'), 0, -1)).toEqual([manifest.batch])
    expect(await redis.lrange(engine.keys.feedTenants('standard'), 0, -1)).toEqual(['default'])
  })

  it('puts the batch into the turn once, however often it opens items', async () => {
    const manifest = await settledBatch(['succeeded', 'reused'])
    expect([await reopen(manifest, [0]), await reopen(manifest, [1])]).toEqual([1, 1])
    expect(await redis.lrange(engine.keys.feedBatches('standard', 'default'), 0, -1)).toEqual([manifest.batch])
    expect(await redis.lrange(engine.keys.feedTenants('standard'), 0, -1)).toEqual(['default'])
  })

  it('leaves items alone that are waiting or under way', async () => {
    const manifest = await newBatch(engine, 3, { fed: 2 })
    const state = await readState(engine, manifest.batch)
    expect(await reopen(manifest, [0, 1, 2])).toBe(0)
    expect(await readState(engine, manifest.batch)).toEqual(state)
  })

  it('opens every item of a big batch whose results were lost', async () => {
    const total = 70_000
    const outcomes = new Map(
      Array.from({ length: total }, (_, at) => [at, { status: 'reused' as const, attempts: 0, cost_usd: '0.00' }]),
    )
    const manifest = await newBatch(engine, total, { known: known(outcomes) })
    expect(await reopen(manifest, [...outcomes.keys()])).toBe(total)
    expect((await readState(engine, manifest.batch)).live).toMatchObject({ open: total, reused: 0 })
  })

  it('is refused for another round, and for a batch that ended or that Redis does not have', async () => {
    const manifest = await settledBatch(['succeeded'])
    const state = await readState(engine, manifest.batch)
    expect(await reopen(manifest, [0], 2)).toBe(0)
    expect(await readState(engine, manifest.batch)).toEqual(state)

    const { batch, attempt } = manifest
    const sealed = await unwrittenOutcomes(redis, engine.keys, batch, 0)
    await letGo(redis, engine.keys, { batch, chunk: 0, nowMs: 1 }, sealed)
    const eventType = 'batch.completed'
    expect(await endBatch(redis, engine.keys, { batch, round: 1, attempt, eventType, nowMs: 1 })).toBe('ended')
    expect(await reopen(manifest, [0])).toBe(0)
    expect((await readState(engine, batch)).live).toMatchObject({ status: 'ended', succeeded: 1 })

    const { live, states } = engine.keys.batch(batch)
    await redis.del(live, states)
    expect(await reopen(manifest, [0])).toBe(0)
    expect(await redis.exists(live, states)).toBe(0)
  })
})
