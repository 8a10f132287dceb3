import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { applyControl } from '../../../../src/shared/batch/apply-control.ts'
import { closeItems } from '../../../../src/shared/batch/close-range.ts'
import { markFed } from '../../../../src/shared/batch/feed-turn.ts'
import { nothingToBook, putBack } from '../../../../src/shared/batch/put-back.ts'
import { recordAnswer } from '../../../../src/shared/batch/record-answer.ts'
import type { ItemOutcome } from '../../../../src/shared/contract/result.ts'
import { firstControl } from '../../../../src/shared/ledger/control.ts'
import type { Manifest } from '../../../../src/shared/ledger/manifest.ts'
import type { Redis } from '../../../../src/shared/redis/connect.ts'
import {
  claim,
  claimAndGrant,
  freshEngine,
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

const nowMs = 1_700_000_050_000

async function close(manifest: Manifest, how: 'cancelled' | 'expired' = 'cancelled'): Promise<void> {
  const control = { ...firstControl, version: 1, [`${how}_at_ms`]: nowMs }
  expect(await applyControl(redis, engine.keys, manifest, control, nowMs)).toBe('applied')
}

/** True where nothing is open any more. */
async function closeItemsOf({ batch }: Manifest): Promise<boolean> {
  const closed = await closeItems(redis, engine.keys, runId, batch, nowMs)
  if (closed.kind !== 'closed') throw new Error(closed.kind)
  return closed.finalizing
}

async function settledByChunk({ batch }: Manifest): Promise<number[]> {
  return Object.values(await redis.hgetall(engine.keys.batch(batch).settled)).map(Number)
}

describe('closeItems', () => {
  it.each(['cancelled', 'expired'] as const)(
    'closes everything that waits as %s, and the batch is finalizing',
    async (how) => {
      const manifest = await newBatch(engine, 5, { fed: 2 })
      await close(manifest, how)
      expect(await closeItemsOf(manifest)).toBe(true)
      const { live, states } = await readState(engine, manifest.batch)
      expect(states).toEqual(Array(5).fill(how))
      expect(live).toMatchObject({ status: 'finalizing', finalizing_at_ms: nowMs, open: 0, fed: 0, [how]: 5 })
      expect(await settledByChunk(manifest)).toEqual([5])
    },
  )

  it('changes nothing the second time', async () => {
    const manifest = await newBatch(engine, 5, { fed: 2 })
    await close(manifest)
    await closeItemsOf(manifest)
    const [state, settled] = [await readState(engine, manifest.batch), await settledByChunk(manifest)]
    expect(await closeItemsOf(manifest)).toBe(false)
    expect([await readState(engine, manifest.batch), await settledByChunk(manifest)]).toEqual([state, settled])
  })

  it('leaves what has its outcome as it is', async () => {
    const manifest = await newBatch(engine, 6, { fed: 6 })
    const outcomes: ItemOutcome[] = ['succeeded', 'reused', 'failed']
    for (const [index, status] of outcomes.entries()) {
      const hold = newHold(manifest, index)
      await claim(engine, hold)
      await settle(engine, manifest, hold, status)
    }
    await close(manifest)
    expect(await closeItemsOf(manifest)).toBe(true)
    expect((await readState(engine, manifest.batch)).states).toEqual([
      ...outcomes,
      ...Array<string>(3).fill('cancelled'),
    ])
    expect(await settledByChunk(manifest)).toEqual([6])
  })

  it('leaves what an attempt has claimed to that attempt, whether it calls or not; the last of them finishes', async () => {
    const manifest = await newBatch(engine, 5, { fed: 4 })
    const [claimed, calling, unfed] = [newHold(manifest, 0), newHold(manifest, 1), newHold(manifest, 4)]
    await claim(engine, claimed)
    await claimAndGrant(engine, calling)
    await claim(engine, unfed)
    await close(manifest)
    expect(await closeItemsOf(manifest)).toBe(false)
    const { live, states } = await readState(engine, manifest.batch)
    expect(states).toEqual(['fed', 'in_progress', 'cancelled', 'cancelled', 'open'])
    expect(live.status).toBe('in_progress')

    await settle(engine, manifest, calling, 'succeeded')
    await settle(engine, manifest, claimed, 'cancelled')
    expect(await settle(engine, manifest, unfed, 'cancelled')).toMatchObject({ batchDone: true, chunkFull: true })
    expect((await readState(engine, manifest.batch)).live).toMatchObject({ status: 'finalizing', cancelled: 4 })
    expect(await settledByChunk(manifest)).toEqual([5])
  })

  it('closes what was put back before it closed, and nothing that was put back with an answer to fetch', async () => {
    const manifest = await newBatch(engine, 2, { fed: 2 })
    const [tried, paid] = [newHold(manifest, 0), newHold(manifest, 1)]
    await claimAndGrant(engine, tried)
    await putBack(redis, engine.keys, tried, { ...nothingToBook, calls: 1 }, false)
    await claimAndGrant(engine, paid)
    await recordAnswer(redis, engine.keys, paid, 'https://cdn.example/shoe.png')
    await putBack(redis, engine.keys, paid, nothingToBook, true)
    await close(manifest)
    expect(await closeItemsOf(manifest)).toBe(false)
    expect((await readState(engine, manifest.batch)).states).toEqual(['cancelled', 'fed'])
    const next = newHold(manifest, 1)
    expect(await claim(engine, next)).toMatchObject({ url: 'https://cdn.example/shoe.png', closing: 'cancelled' })
    await settle(engine, manifest, next, 'succeeded')
    expect((await readState(engine, manifest.batch)).live).toMatchObject({ status: 'finalizing', succeeded: 1 })
  })

  it('closes 12,000 items in ranges, with the claimed ones among them skipped and every chunk counted', async () => {
    const total = 12_001
    const manifest = await newBatch(engine, total)
    const claimed = [0, 4_999, 5_000, 9_999, 10_000, 12_000]
    for (const index of claimed) await claim(engine, newHold(manifest, index))
    await markFed(
      redis,
      engine.keys,
      manifest.batch,
      Array.from({ length: 700 }, (_, at) => 4_700 + at),
    )
    const done = [6_001, 11_000]
    for (const index of done) await settle(engine, manifest, newHold(manifest, index), 'reused')
    await close(manifest)
    const scripts = vi.spyOn(redis, 'evalsha')
    await closeItemsOf(manifest)
    expect(scripts).toHaveBeenCalledTimes(3 + 1)
    scripts.mockRestore()
    const { live, states } = await readState(engine, manifest.batch)
    expect(live).toMatchObject({ cancelled: total - claimed.length - done.length, reused: 2, fed: 2, open: 4 })
    const others = [...claimed, ...done].toSorted((a, b) => a - b)
    expect(states.flatMap((state, index) => (state === 'cancelled' ? [] : [index]))).toEqual(others)
    const perChunk = Array.from({ length: 25 }, (_, chunk) => {
      const items = Math.min(500, total - chunk * 500)
      return items - claimed.filter((index) => Math.floor(index / 500) === chunk).length
    })
    const settled = await redis.hgetall(engine.keys.batch(manifest.batch).settled)
    expect(perChunk.map((_, chunk) => Number(settled[chunk] ?? 0))).toEqual(perChunk)
  })

  it('waits where this Redis was not held against the ledger, and while the living may speak first', async () => {
    const manifest = await newBatch(engine, 3)
    await close(manifest)
    const state = await readState(engine, manifest.batch)
    const elsewhere = closeItems(redis, engine.keys, 'another-run', manifest.batch, nowMs)
    expect(await elsewhere).toEqual({ kind: 'wait', waitMs: 1000 })
    const [seconds] = await redis.time()
    await redis.hset(engine.keys.epoch, 'quiet_until_ms', Number(seconds) * 1000 + 60_000)
    const quiet = await closeItems(redis, engine.keys, runId, manifest.batch, nowMs)
    expect(quiet.kind === 'wait' && quiet.waitMs).toBeGreaterThan(58_000)
    expect(await readState(engine, manifest.batch)).toEqual(state)
  })

  it('closes nothing of a batch that does not close, has ended, or is not there', async () => {
    const manifest = await newBatch(engine, 3, { fed: 1 })
    const state = await readState(engine, manifest.batch)
    expect(await closeItemsOf(manifest)).toBe(false)
    expect(await readState(engine, manifest.batch)).toEqual(state)
    const { live, states, settled } = engine.keys.batch(manifest.batch)
    await close(manifest)
    await redis.hset(live, 'status', 'ended')
    expect(await closeItemsOf(manifest)).toBe(false)
    expect((await readState(engine, manifest.batch)).live).toMatchObject({ status: 'ended', open: 2, fed: 1 })
    await redis.del(live, states)
    expect(await closeItemsOf(manifest)).toBe(false)
    expect(await redis.exists(live, states, settled)).toBe(0)
  })
})
