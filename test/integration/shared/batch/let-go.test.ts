import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { letGo, unwrittenOutcomes } from '../../../../src/shared/batch/let-go.ts'
import type { Redis } from '../../../../src/shared/redis/connect.ts'
import { freshEngine, newBatch, newHold, openRedis, settle } from '../../../support/engine.ts'
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

/** A batch in which so many items are settled, with text in the lines that is more bytes than characters. */
async function settledBatch(items: number): Promise<string> {
  const manifest = await newBatch(engine, items, { fed: items })
  for (let index = 0; index < items; index += 1) {
    const settled = await settle(engine, manifest, newHold(manifest, index), 'reused', {
      outcome: {
        id: `item-${String(index)}`,
        custom_id: 'Schuhe für 👟',
        status: 'reused',
        response: null,
        error: null,
      },
    })
    expect(settled.kind).toBe('settled')
  }
  return manifest.batch
}

async function unwrittenBytes(): Promise<number> {
  return Number(await redis.get(engine.keys.unwritten))
}

const nowMs = 123_456

describe('letGo', () => {
  it('lets go of exactly the outcomes that were written', async () => {
    const batch = await settledBatch(4)
    const outcomes = await unwrittenOutcomes(redis, engine.keys, batch, 0)
    expect([...outcomes.keys()].toSorted((a, b) => a - b)).toEqual([0, 1, 2, 3])
    const written = new Map([...outcomes].filter(([index]) => index !== 2))
    await letGo(redis, engine.keys, { batch, chunk: 0, nowMs }, written)
    const left = await unwrittenOutcomes(redis, engine.keys, batch, 0)
    expect([...left.keys()]).toEqual([2])
    expect(await unwrittenBytes()).toBe(Buffer.byteLength(left.get(2) ?? ''))
  })

  it('keeps a line that changed while the file was being written', async () => {
    const batch = await settledBatch(2)
    const written = await unwrittenOutcomes(redis, engine.keys, batch, 0)
    const changed = (written.get(0) ?? '').replace('1 ', '2 ')
    await redis.hset(engine.keys.batch(batch).outcomes(0), '0', changed)
    await letGo(redis, engine.keys, { batch, chunk: 0, nowMs }, written)
    expect(await unwrittenOutcomes(redis, engine.keys, batch, 0)).toEqual(new Map([[0, changed]]))
  })

  it('counts the bytes back to nothing, called twice or not', async () => {
    const batch = await settledBatch(3)
    const written = await unwrittenOutcomes(redis, engine.keys, batch, 0)
    expect(await unwrittenBytes()).toBe([...written.values()].reduce((sum, text) => sum + Buffer.byteLength(text), 0))
    await letGo(redis, engine.keys, { batch, chunk: 0, nowMs }, written)
    await letGo(redis, engine.keys, { batch, chunk: 0, nowMs }, written)
    expect(await unwrittenBytes()).toBe(0)
  })

  it('takes a chunk of which nothing is left from those to be sealed, and gives any other a new age', async () => {
    const batch = await settledBatch(2)
    const { unsealed } = engine.keys.batch(batch)
    const written = await unwrittenOutcomes(redis, engine.keys, batch, 0)
    await letGo(redis, engine.keys, { batch, chunk: 0, nowMs }, new Map([...written].slice(0, 1)))
    expect(await redis.zrange(unsealed, '0', '-1', 'WITHSCORES')).toEqual(['0', String(nowMs)])
    await letGo(redis, engine.keys, { batch, chunk: 0, nowMs }, written)
    expect(await redis.exists(unsealed)).toBe(0)
  })

  it('takes a chunk from those to be sealed that has no outcome at all', async () => {
    const batch = await settledBatch(1)
    const { unsealed } = engine.keys.batch(batch)
    await redis.zadd(unsealed, 5, '7')
    await letGo(redis, engine.keys, { batch, chunk: 7, nowMs }, new Map())
    expect(await redis.zrange(unsealed, '0', '-1')).toEqual(['0'])
  })
})
