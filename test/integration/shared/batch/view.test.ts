import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { readLive } from '../../../../src/shared/batch/live.ts'
import { recordAnswer } from '../../../../src/shared/batch/record-answer.ts'
import { newBatchObject, readBatchObject, type ViewParts } from '../../../../src/shared/batch/view.ts'
import type { BatchObject } from '../../../../src/shared/contract/batch-object.ts'
import { closeLane } from '../../../../src/shared/lanes/lane.ts'
import { writeManifest, type Manifest } from '../../../../src/shared/ledger/manifest.ts'
import type { Store } from '../../../../src/shared/ledger/store.ts'
import { writeSummary } from '../../../../src/shared/ledger/summary.ts'
import { systemClock } from '../../../../src/shared/process/clock.ts'
import { connect, type Redis } from '../../../../src/shared/redis/connect.ts'
import {
  beat,
  claimAndGrant,
  freshEngine,
  newBatch,
  newHold,
  newManifest,
  openRedis,
  priceNano,
  settle,
  startedAtMs,
  type Engine,
} from '../../../support/engine.ts'
import { freshNames } from '../../../support/fresh-names.ts'
import { openTestStore } from '../../../support/test-store.ts'

let redis: Redis
let store: Store
let engine: Engine
let parts: ViewParts
const clock = { ...systemClock, now: () => startedAtMs + 60_000 }

beforeAll(async () => {
  redis = openRedis()
  store = openTestStore((await freshNames(import.meta.filename)).bucket)
})
afterAll(() => {
  redis.disconnect()
  store.close()
})
beforeEach(async () => {
  engine = await freshEngine(redis)
  parts = { redis, keys: engine.keys, store, clock }
  await beat(engine, 'worker')
})

async function accepted(total: number, more: Parameters<typeof newBatch>[2] = {}): Promise<Manifest> {
  const manifest = await newBatch(engine, total, more)
  await writeManifest(store, manifest)
  return manifest
}

async function read(manifest: Manifest): Promise<BatchObject> {
  const batch = await readBatchObject(parts, manifest.tenant, manifest.batch)
  if (batch === undefined) throw new Error('the batch is not there')
  return batch
}

/** P2: at every read. */
function expectCountsToAddUp({ request_counts: counts }: BatchObject): void {
  const { total, completed, failed, queued, in_progress, cancelled, expired, succeeded, reused } = counts
  expect(completed + failed + queued + in_progress + cancelled + expired).toBe(total)
  expect(succeeded + reused).toBe(completed)
}

describe('readBatchObject', () => {
  it('reads a batch that was just accepted as its 202 said', async () => {
    const manifest = await accepted(3, { fed: 1, options: { name: 'shoes', metadata: { season: 'winter' } } })
    const { progress: _, ...batch } = await read(manifest)
    expect({ ...batch, progress: newBatchObject(manifest).progress }).toEqual(newBatchObject(manifest))
    expect(batch).toMatchObject({
      id: manifest.batch,
      object: 'batch',
      status: 'in_progress',
      created_at: startedAtMs / 1000,
      in_progress_at: startedAtMs / 1000,
      finalizing_at: null,
      completed_at: null,
      metadata: { season: 'winter' },
    })
  })

  it('counts each item where it is, and what was spent', async () => {
    const manifest = await accepted(7, { fed: 5 })
    const paid = newHold(manifest, 0)
    await claimAndGrant(engine, paid)
    await recordAnswer(redis, engine.keys, paid, undefined)
    await settle(engine, manifest, paid, 'succeeded', { ownObjectCostNano: priceNano })
    await settle(engine, manifest, newHold(manifest, 1), 'reused')
    const failing = newHold(manifest, 2)
    await claimAndGrant(engine, failing)
    await settle(engine, manifest, failing, 'failed')
    await claimAndGrant(engine, newHold(manifest, 3))
    const batch = await read(manifest)
    expect(batch.request_counts).toEqual({
      total: 7,
      completed: 2,
      failed: 1,
      queued: 3,
      in_progress: 1,
      succeeded: 1,
      reused: 1,
      cancelled: 0,
      expired: 0,
    })
    expect(batch.usage).toEqual({ images: 1, provider_calls: 1, cost_usd: '0.003', indeterminate: 0 })
    expect(batch).toMatchObject({ has_errors: true, budget: { spent_usd: '0.003' } })
    expect(batch.progress).toEqual({ percent: 42, rate_per_min: 3, eta_at: (startedAtMs + 60_000) / 1000 + 80 })
    expectCountsToAddUp(batch)
  })

  it('has counts that add up at every read, while many settle at once', async () => {
    const total = 400
    const manifest = await accepted(total, { fed: total })
    let running = true
    const reader = (async () => {
      const seen = new Set<number>()
      while (running) {
        const batch = await read(manifest)
        expectCountsToAddUp(batch)
        seen.add(batch.request_counts.completed + batch.request_counts.failed)
      }
      return seen.size
    })()
    const work = async (index: number): Promise<void> => {
      const hold = newHold(manifest, index)
      await claimAndGrant(engine, hold)
      await settle(engine, manifest, hold, index % 7 === 0 ? 'failed' : 'succeeded')
    }
    for (let from = 0; from < total; from += 20)
      await Promise.all(Array.from({ length: 20 }, (_, at) => work(from + at)))
    running = false
    expect(await reader).toBeGreaterThan(2)
    expect((await read(manifest)).request_counts).toMatchObject({ succeeded: 342, failed: 58, queued: 0 })
  })

  it('is finalizing when every item has its outcome and the files are not written yet', async () => {
    const manifest = await accepted(1, { fed: 1 })
    await settle(engine, manifest, newHold(manifest, 0), 'succeeded')
    const batch = await read(manifest)
    expect(batch).toMatchObject({ status: 'finalizing', finalizing_at: startedAtMs / 1000 + 1, completed_at: null })
    expect(batch.progress).toMatchObject({ percent: 100, eta_at: null })
  })

  it('answers from the ledger for a batch that ended, whether Redis still has it or not', async () => {
    const manifest = await accepted(2)
    const ended = { ...newBatchObject(manifest), status: 'completed' as const, completed_at: 1_700_000_100 }
    await writeSummary(store, { v: 1, round: 1, sequence: 2, batch: ended })
    // Its summary is written before Redis marks its end: until then the batch is live.
    expect(await read(manifest)).toMatchObject({ status: 'in_progress' })
    await redis.hset(engine.keys.batch(manifest.batch).live, 'status', 'ended')
    expect(await read(manifest)).toEqual(ended)
    await redis.del(engine.keys.batch(manifest.batch).live)
    expect(await read(manifest)).toEqual(ended)
  })

  it('says of a batch that Redis lost that it is being brought back', async () => {
    const manifest = newManifest(5)
    await writeManifest(store, manifest)
    expect(await readLive(redis, engine.keys, manifest.batch)).toBeUndefined()
    const batch = await read(manifest)
    expect(batch).toMatchObject({ status: 'in_progress', blocked_by: { reason: 'recovering' } })
    expect(batch.request_counts).toMatchObject({ total: 5, queued: 5 })
    expectCountsToAddUp(batch)
  })

  it('knows nothing of a batch that is not there, and of another tenant as little', async () => {
    const manifest = await accepted(1, { tenant: 'shoes' })
    expect(await readBatchObject(parts, 'shoes', manifest.batch)).toBeDefined()
    expect(await readBatchObject(parts, 'default', manifest.batch)).toBeUndefined()
    expect(await readBatchObject(parts, 'default', newManifest(1).batch)).toBeUndefined()
  })

  it('answers for an ended batch while Redis is away, and not for a live one', async () => {
    const away = connect('redis://127.0.0.1:1', 'api', () => undefined)
    const live = await accepted(1)
    const ended = await accepted(1)
    await writeSummary(store, { v: 1, round: 1, sequence: 2, batch: { ...newBatchObject(ended), status: 'completed' } })
    const without = { ...parts, redis: away }
    expect(await readBatchObject(without, 'default', ended.batch)).toMatchObject({ status: 'completed' })
    await expect(readBatchObject(without, 'default', live.batch)).rejects.toThrow('writeable')
    away.disconnect()
  })
})

describe('blocked_by', () => {
  it('is null where nothing is in the way', async () => {
    expect((await read(await accepted(1, { fed: 1 }))).blocked_by).toBeNull()
  })

  it.each([
    ['provider', 'provider_down'],
    ['provider', 'provider_auth'],
    ['storage', 'storage_down'],
  ] as const)('names a closed %s lane as %s, since when, and when the next try is', async (lane, reason) => {
    const manifest = await accepted(1)
    await closeLane(redis, engine.keys, lane, reason, 'the reason in words')
    const [nowS] = await redis.time()
    const { blocked_by: blockedBy } = await read(manifest)
    expect(blockedBy).toMatchObject({ reason, detail: 'the reason in words' })
    expect(Math.abs((blockedBy?.since ?? 0) - Number(nowS))).toBeLessThanOrEqual(1)
    expect((blockedBy?.next_attempt_at ?? 0) - (blockedBy?.since ?? 0)).toBeLessThanOrEqual(2)
  })

  it('says that no worker runs where no heartbeat lives', async () => {
    await redis.zadd(engine.keys.beats, clock.now() - 1, 'worker')
    expect((await read(await accepted(1))).blocked_by).toMatchObject({ reason: 'no_workers', next_attempt_at: null })
  })

  it('names nothing for a batch that has nothing left to make', async () => {
    const manifest = await accepted(1, { fed: 1 })
    await closeLane(redis, engine.keys, 'provider', 'provider_down', 'down')
    await settle(engine, manifest, newHold(manifest, 0), 'succeeded')
    expect((await read(manifest)).blocked_by).toBeNull()
  })
})
