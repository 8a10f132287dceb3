import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { endBatch } from '../../../../src/shared/batch/end.ts'
import { letGo, unwrittenOutcomes } from '../../../../src/shared/batch/let-go.ts'
import type { Manifest } from '../../../../src/shared/ledger/manifest.ts'
import type { Redis } from '../../../../src/shared/redis/connect.ts'
import { freshEngine, newBatch, newHold, openRedis, readEvents, readState, settle } from '../../../support/engine.ts'
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

const nowMs = 1_700_000_100_000

function end({ batch, attempt }: Manifest, more: { round?: number; attempt?: string } = {}): Promise<string> {
  return endBatch(redis, engine.keys, { batch, round: 1, attempt, eventType: 'batch.completed', nowMs, ...more })
}

async function seal({ batch }: Manifest): Promise<void> {
  await letGo(redis, engine.keys, { batch, chunk: 0, nowMs }, await unwrittenOutcomes(redis, engine.keys, batch, 0))
}

/** Everything is settled and in the ledger. */
async function finished(items = 2): Promise<Manifest> {
  const manifest = await newBatch(engine, items, { fed: items })
  for (let index = 0; index < items; index += 1) await settle(engine, manifest, newHold(manifest, index), 'reused')
  await seal(manifest)
  return manifest
}

describe('endBatch', () => {
  it('marks the batch as ended and tells of it, in one step', async () => {
    const manifest = await finished()
    expect(await end(manifest)).toBe('ended')
    const { live, undelivered } = { ...engine.keys.batch(manifest.batch), ...engine.keys }
    expect(await redis.hgetall(live)).toMatchObject({ status: 'ended', ended_at_ms: String(nowMs), sequence: '2' })
    expect((await readEvents(engine)).at(-1)).toEqual({
      type: 'batch.completed',
      batch: manifest.batch,
      round: '1',
      sequence: '2',
      at_ms: String(nowMs),
      control: '',
      index: '',
    })
    expect(await redis.smembers(undelivered)).toEqual([`${manifest.batch}.1`])
    expect(await redis.smembers(engine.keys.batches)).toEqual([])
  })

  it('tells of the end once, however often and from however many sides it is asked', async () => {
    const manifest = await finished()
    const answers = await Promise.all(Array.from({ length: 6 }, () => end(manifest)))
    expect(answers.toSorted()).toEqual(['already', 'already', 'already', 'already', 'already', 'ended'])
    expect(await end(manifest)).toBe('already')
    expect((await readEvents(engine)).filter(({ type }) => type === 'batch.completed')).toHaveLength(1)
  })

  it('lets what Redis holds of the batch expire within a minute, all of it', async () => {
    const manifest = await finished()
    await end(manifest)
    const left = await redis.keys(`${engine.keys.prefix}:live:${manifest.batch}*`)
    expect(left.length).toBeGreaterThan(2)
    for (const key of left) {
      const ttlMs = await redis.pttl(key)
      expect([key, ttlMs > 30_000 && ttlMs <= 60_000]).toEqual([key, true])
    }
  })

  it('is refused while an item is waiting or under way', async () => {
    const manifest = await newBatch(engine, 2, { fed: 1 })
    expect(await end(manifest)).toBe('refused')
    await settle(engine, manifest, newHold(manifest, 0), 'reused')
    await seal(manifest)
    expect(await end(manifest)).toBe('refused')
    // Even where the status says otherwise.
    await redis.hset(engine.keys.batch(manifest.batch).live, 'status', 'finalizing')
    expect(await end(manifest)).toBe('refused')
    expect((await readState(engine, manifest.batch)).live.open).toBe(1)
  })

  it('is refused while an outcome is not in the ledger', async () => {
    const manifest = await newBatch(engine, 1, { fed: 1 })
    await settle(engine, manifest, newHold(manifest, 0), 'reused')
    expect(await end(manifest)).toBe('refused')
    await seal(manifest)
    expect(await end(manifest)).toBe('ended')
  })

  it('is refused for another round, and for another manifest than the one that Redis has', async () => {
    const manifest = await finished()
    expect(await end(manifest, { round: 2 })).toBe('refused')
    expect(await end(manifest, { attempt: 'another' })).toBe('refused')
    expect(await redis.exists(engine.keys.undelivered)).toBe(0)
    expect((await readEvents(engine)).map(({ type }) => type)).toEqual(['batch.in_progress'])
    expect(await redis.pttl(engine.keys.batch(manifest.batch).live)).toBe(-1)
  })

  it('makes nothing of a batch that Redis does not have', async () => {
    const manifest = await finished()
    await redis.del(engine.keys.batch(manifest.batch).live)
    expect(await end(manifest)).toBe('no_batch')
    expect(await redis.exists(engine.keys.batch(manifest.batch).live, engine.keys.undelivered)).toBe(0)
  })
})
