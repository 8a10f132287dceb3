import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { createBatch } from '../../../../src/shared/batch/create.ts'
import type { Redis } from '../../../../src/shared/redis/connect.ts'
import {
  freshEngine,
  known,
  newBatch,
  newManifest,
  openRedis,
  readEvents,
  readState,
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

const outcome = (status: 'succeeded' | 'reused' | 'failed', attempts: number, cost: string | null) => ({
  status,
  attempts,
  cost_usd: cost,
})

describe('createBatch', () => {
  it('writes every field of an accepted batch: all items open, nothing spent', async () => {
    const manifest = await newBatch(engine, 7)
    expect(await redis.hgetall(engine.keys.batch(manifest.batch).live)).toEqual({
      tenant: 'default',
      priority: 'standard',
      attempt: 'accept-1',
      created_at_ms: String(startedAtMs),
      total: '7',
      round: '1',
      status: 'in_progress',
      cursor: '0',
      sequence: '1',
      open: '7',
      fed: '0',
      in_progress: '0',
      succeeded: '0',
      reused: '0',
      failed: '0',
      cancelled: '0',
      expired: '0',
      calls: '0',
      indeterminate: '0',
      images: '0',
      cost_nano: '0',
      reserved_nano: '0',
      control_version: '0',
      purse: expect.stringMatching(/^\d+\.\d+$/) as string,
    })
    expect((await readState(engine, manifest.batch)).states).toEqual(Array(7).fill('open'))
  })

  it('puts the batch among the live, and in the turn of its tenant and priority', async () => {
    const manifest = await newBatch(engine, 1, { options: { priority: 'bulk' }, tenant: 'shoes' })
    const { keys } = engine
    expect(await redis.smembers(keys.batches)).toEqual([manifest.batch])
    expect(await redis.lrange(keys.feedTenants('bulk'), 0, -1)).toEqual(['shoes'])
    expect(await redis.lrange(keys.feedBatches('bulk', 'shoes'), 0, -1)).toEqual([manifest.batch])
  })

  it('tells of it in the same step, once, as the first of its sequence', async () => {
    const manifest = await newBatch(engine, 1)
    expect(await createBatch(redis, engine.keys, manifest)).toBe('exists')
    expect(await readEvents(engine)).toEqual([
      {
        type: 'batch.in_progress',
        batch: manifest.batch,
        round: '1',
        sequence: '1',
        at_ms: String(startedAtMs),
        control: '',
        index: '',
      },
    ])
  })

  it('changes nothing where Redis has the batch, whatever state that is in', async () => {
    const manifest = await newBatch(engine, 3, { fed: 2 })
    const before = await readState(engine, manifest.batch)
    const failed = known(new Map([[0, outcome('failed', 1, '0.00')]]))
    expect(await createBatch(redis, engine.keys, manifest, failed)).toBe('exists')
    expect(await readState(engine, manifest.batch)).toEqual(before)
    expect(await redis.lrange(engine.keys.feedBatches('standard', 'default'), 0, -1)).toEqual([manifest.batch])
  })

  it('puts a tenant in the turn once, however many batches it has', async () => {
    const first = await newBatch(engine, 1)
    const second = await newBatch(engine, 1)
    expect(await redis.lrange(engine.keys.feedTenants('standard'), 0, -1)).toEqual(['default'])
    const batches = await redis.lrange(engine.keys.feedBatches('standard', 'default'), 0, -1)
    expect(batches).toEqual([first.batch, second.batch])
  })

  it('brings a lost batch back with the outcomes that the ledger knows: states, counts, calls, cost', async () => {
    const manifest = await newBatch(engine, 1001, {
      known: known(
        new Map([
          [0, outcome('succeeded', 1, '0.003')],
          [1, outcome('succeeded', 2, null)],
          [499, outcome('reused', 0, '0.00')],
          [500, outcome('failed', 3, '0.006')],
          [1000, outcome('failed', 1, '0.00')],
        ]),
      ),
    })
    const { live, states } = await readState(engine, manifest.batch)
    expect(live).toMatchObject({ open: 996, succeeded: 2, reused: 1, failed: 2 })
    expect(live).toMatchObject({ status: 'in_progress', calls: 7, cost_nano: 9_000_000, images: 2, indeterminate: 0 })
    expect([states[0], states[1], states[2], states[499], states[500], states[1000]]).toEqual([
      'succeeded',
      'succeeded',
      'open',
      'reused',
      'failed',
      'failed',
    ])
    const settled = await redis.hgetall(engine.keys.batch(manifest.batch).settled)
    expect(settled).toEqual({ 0: '3', 1: '1', 2: '1' })
  })

  it('brings a lost batch with an outcome for every item back to be finished, and not to be fed', async () => {
    const outcomes = new Map([0, 1].map((index) => [index, outcome('succeeded', 1, '0.003')]))
    const manifest = await newBatch(engine, 2, { known: known(outcomes, { round: 3 }) })
    expect((await readState(engine, manifest.batch)).live).toMatchObject({ status: 'finalizing', round: 3, open: 0 })
    expect(await redis.exists(engine.keys.feedTenants('standard'))).toBe(0)
    expect(await redis.smembers(engine.keys.batches)).toEqual([manifest.batch])
  })

  it('tells nothing again of a batch that was under way', async () => {
    await newBatch(engine, 2, { known: known(new Map([[0, outcome('reused', 0, '0.00')]])) })
    expect(await readEvents(engine)).toEqual([])
  })

  it('counts a lost batch on from where its events may have been, so that the sequence grows', async () => {
    const outcomes = new Map([[0, outcome('reused', 0, '0.00')]])
    for (const [round, version, sequence] of [
      [1, 0, '1'],
      [1, 2, '5'],
      [2, 0, '3'],
      [2, 3, '9'],
    ] as const) {
      const manifest = await newBatch(engine, 2, { known: known(outcomes, { round, version }) })
      expect(await redis.hget(engine.keys.batch(manifest.batch).live, 'sequence')).toBe(sequence)
    }
  })

  it('tells of a batch that never came into Redis when it was accepted', async () => {
    const manifest = newManifest(2)
    expect(await createBatch(redis, engine.keys, manifest, known(new Map()))).toBe('created')
    expect(await readEvents(engine)).toMatchObject([
      { type: 'batch.in_progress', batch: manifest.batch, sequence: '1' },
    ])
  })

  it('makes one batch of many who try at once', async () => {
    const manifest = newManifest(4)
    const answers = await Promise.all(Array.from({ length: 8 }, () => createBatch(redis, engine.keys, manifest)))
    expect(answers.filter((answer) => answer === 'created')).toHaveLength(1)
    expect(await readEvents(engine)).toHaveLength(1)
  })
})
