import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { applyControl } from '../../../../src/shared/batch/apply-control.ts'
import { fixEnd } from '../../../../src/shared/batch/ends-as.ts'
import { takeTurn } from '../../../../src/shared/batch/feed-turn.ts'
import { handBack } from '../../../../src/shared/batch/hand-back.ts'
import { firstControl, type Control } from '../../../../src/shared/ledger/control.ts'
import type { Manifest } from '../../../../src/shared/ledger/manifest.ts'
import type { Redis } from '../../../../src/shared/redis/connect.ts'
import {
  claim,
  freshEngine,
  grant,
  newBatch,
  newHold,
  openRedis,
  priceNano,
  readEvents,
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
const pausedAtMs = nowMs - 10

const said = (version: number, what: Partial<Control> = {}): Control => ({ ...firstControl, version, ...what })

function apply(manifest: Manifest, version: number, what: Partial<Control> = {}): Promise<string> {
  return applyControl(redis, engine.keys, manifest, said(version, what), nowMs)
}

const inTurn = (): Promise<string[]> => redis.lrange(engine.keys.feedBatches('standard', 'default'), 0, -1)
const tenantsInTurn = (): Promise<string[]> => redis.lrange(engine.keys.feedTenants('standard'), 0, -1)
const liveOf = async ({ batch }: Manifest): Promise<Record<string, string>> =>
  redis.hgetall(engine.keys.batch(batch).live)

describe('applyControl', () => {
  it('pauses: the batch is out of turn and keeps what was said, until it is resumed', async () => {
    const manifest = await newBatch(engine, 3)
    expect(await apply(manifest, 1, { paused_at_ms: pausedAtMs })).toBe('applied')
    const { live } = await readState(engine, manifest.batch)
    expect(live).toMatchObject({ paused_at_ms: pausedAtMs, control_version: 1 })
    expect(live.control).toEqual(said(1, { paused_at_ms: pausedAtMs }))
    expect([await inTurn(), await tenantsInTurn()]).toEqual([[], []])

    expect(await apply(manifest, 2)).toBe('applied')
    expect(await liveOf(manifest)).not.toHaveProperty('paused_at_ms')
    expect([await inTurn(), await tenantsInTurn()]).toEqual([[manifest.batch], ['default']])
  })

  it('applies only ever a higher version, and changes nothing for any other', async () => {
    const manifest = await newBatch(engine, 3)
    await apply(manifest, 5, { paused_at_ms: pausedAtMs })
    const [before, events] = [await liveOf(manifest), await readEvents(engine)]
    expect(await apply(manifest, 5, { paused_at_ms: pausedAtMs })).toBe('already')
    expect(await apply(manifest, 5)).toBe('already')
    expect(await apply(manifest, 4, { cancelled_at_ms: nowMs })).toBe('already')
    expect([await liveOf(manifest), await readEvents(engine)]).toEqual([before, events])
    expect(await apply(manifest, 10)).toBe('applied')
    expect(await apply(manifest, 9, { paused_at_ms: pausedAtMs })).toBe('already')
    expect(await liveOf(manifest)).not.toHaveProperty('paused_at_ms')
  })

  it('ends with the highest version, whatever the order in which many come', async () => {
    const manifest = await newBatch(engine, 3)
    const versions = [3, 8, 1, 7, 2, 6, 5, 4]
    await Promise.all(
      versions.map((version) => apply(manifest, version, version % 2 === 0 ? { paused_at_ms: version } : {})),
    )
    expect(await liveOf(manifest)).toMatchObject({ control_version: '8', paused_at_ms: '8' })
    expect(await inTurn()).toEqual([])
  })

  it('tells of a pause and of a resumption once each, with the version that said so', async () => {
    const manifest = await newBatch(engine, 3)
    const { batch } = manifest
    await apply(manifest, 1, { paused_at_ms: pausedAtMs })
    await apply(manifest, 1, { paused_at_ms: pausedAtMs })
    await apply(manifest, 2, { paused_at_ms: pausedAtMs, name: 'still paused' })
    await apply(manifest, 4)
    await apply(manifest, 5, { name: 'still running' })
    const told = { batch, round: '1', at_ms: String(nowMs), index: '' }
    expect((await readEvents(engine)).slice(1)).toEqual([
      { ...told, type: 'batch.paused', sequence: '2', control: '1' },
      { ...told, type: 'batch.resumed', sequence: '3', control: '4' },
    ])
  })

  it('keeps when it was paused first, where it is said again', async () => {
    const manifest = await newBatch(engine, 3)
    await apply(manifest, 1, { paused_at_ms: pausedAtMs })
    await apply(manifest, 2, { paused_at_ms: pausedAtMs, name: 'shoes' })
    expect(await liveOf(manifest)).toMatchObject({ paused_at_ms: String(pausedAtMs) })
  })

  it.each([
    ['cancelled', { cancelled_at_ms: 7 }, '7'],
    ['expired', { expired_at_ms: 8 }, '8'],
    ['cancelled', { cancelled_at_ms: 7, expired_at_ms: 8 }, '7'],
  ] as const)('closes a batch as %s, out of turn for good', async (closing, what, atMs) => {
    const manifest = await newBatch(engine, 3)
    await apply(manifest, 1, what)
    expect(await liveOf(manifest)).toMatchObject({ closing, closing_at_ms: atMs, status: 'in_progress' })
    expect(await inTurn()).toEqual([])
    await apply(manifest, 2, { ...what, name: 'shoes' })
    expect(await inTurn()).toEqual([])
  })

  it('closes once: what was said first counts', async () => {
    const manifest = await newBatch(engine, 3)
    await apply(manifest, 1, { expired_at_ms: 8 })
    await apply(manifest, 2, { expired_at_ms: 8, cancelled_at_ms: 9 })
    expect(await liveOf(manifest)).toMatchObject({ closing: 'expired', closing_at_ms: '8' })
  })

  it('closes a batch that is finalizing, until it is fixed how that ends; then it is too late', async () => {
    for (const fixedFirst of [false, true]) {
      const manifest = await newBatch(engine, 1, { fed: 1 })
      await settle(engine, manifest, newHold(manifest, 0), 'reused')
      const fix = (): Promise<string> => fixEnd(redis, engine.keys, manifest.batch, 1)
      if (fixedFirst) expect(await fix()).toBe('completed')
      const before = await liveOf(manifest)
      expect(await apply(manifest, 1, { cancelled_at_ms: 7 })).toBe(fixedFirst ? 'ended' : 'applied')
      if (fixedFirst) expect(await liveOf(manifest)).toEqual(before)
      expect([await fix(), await fix()]).toEqual(Array(2).fill(fixedFirst ? 'completed' : 'cancelled'))
    }
  })

  it('is nothing for a round that Redis does not have yet: that one comes with it', async () => {
    const manifest = await newBatch(engine, 1)
    const before = await liveOf(manifest)
    expect(await apply(manifest, 3, { round: 2, paused_at_ms: 7 })).toBe('no_batch')
    expect(await liveOf(manifest)).toEqual(before)
  })

  it('takes the batch off the list of what is pending, unless somebody has written again since', async () => {
    const manifest = await newBatch(engine, 1)
    const { pendingControl } = engine.keys
    const applySince = (version: number, since: string): Promise<string> =>
      applyControl(redis, engine.keys, manifest, said(version), nowMs, since)
    await redis.zadd(pendingControl, 200, manifest.batch)
    await applySince(1, '100')
    expect(await redis.zscore(pendingControl, manifest.batch)).toBe('200')
    await applySince(1, '200')
    expect(await redis.exists(pendingControl)).toBe(0)
    await redis.zadd(pendingControl, 300, manifest.batch)
    await redis.del(engine.keys.batch(manifest.batch).live)
    expect(await applySince(2, '300')).toBe('no_batch')
    expect(await redis.zscore(pendingControl, manifest.batch)).toBe('300')
  })

  it('sets, changes and takes away the budget', async () => {
    const manifest = await newBatch(engine, 3, { options: { budget_nano: 100 } })
    const budget = async (): Promise<string | undefined> => (await liveOf(manifest))['budget_nano']
    expect(await budget()).toBe('100')
    await apply(manifest, 1, { budget_nano: 250 })
    expect(await budget()).toBe('250')
    await apply(manifest, 2, { budget_nano: null })
    expect(await budget()).toBeUndefined()
    // What was never changed is as it was accepted.
    await apply(manifest, 3)
    expect(await budget()).toBe('100')
  })

  it('lets a batch that stopped at its budget go on once there is room for a call, and not before', async () => {
    const manifest = await newBatch(engine, 3, { fed: 1, options: { budget_nano: 0 } })
    const hold = newHold(manifest, 0)
    await claim(engine, hold)
    expect(await grant(engine, hold)).toBe('over_budget')
    await handBack(redis, engine.keys, hold, { claimed: true, overBudgetNano: priceNano, nowMs })
    expect(await inTurn()).toEqual([])

    await apply(manifest, 1, { budget_nano: priceNano - 1 })
    expect(await liveOf(manifest)).toMatchObject({ over_budget: String(priceNano) })
    expect(await inTurn()).toEqual([])

    await apply(manifest, 2, { budget_nano: priceNano })
    expect(await liveOf(manifest)).not.toHaveProperty('over_budget')
    expect(await liveOf(manifest)).not.toHaveProperty('over_budget_at_ms')
    expect(await inTurn()).toEqual([manifest.batch])
    expect(await takeTurn(redis, engine.keys, runId, 'standard', 5)).toMatchObject({ indexes: [0, 1, 2] })
  })

  it('puts a batch in turn once, however often it is applied, and never one with nothing open', async () => {
    const manifest = await newBatch(engine, 2)
    for (let version = 1; version <= 4; version += 1) await apply(manifest, version, { name: String(version) })
    expect([await inTurn(), await tenantsInTurn()]).toEqual([[manifest.batch], ['default']])
    const full = await newBatch(engine, 2, { fed: 2, tenant: 'shoes' })
    await takeTurn(redis, engine.keys, runId, 'standard', 5)
    await takeTurn(redis, engine.keys, runId, 'standard', 5)
    await apply(full, 1, { name: 'full' })
    expect(await redis.exists(engine.keys.feedBatches('standard', 'shoes'))).toBe(0)
  })

  it('takes one of a tenant out of turn and leaves the tenant its others', async () => {
    const [one, two] = [await newBatch(engine, 2), await newBatch(engine, 2)]
    await apply(one, 1, { paused_at_ms: pausedAtMs })
    expect([await inTurn(), await tenantsInTurn()]).toEqual([[two.batch], ['default']])
  })

  it('is too late for a batch that ended, and makes none that Redis does not have', async () => {
    const manifest = await newBatch(engine, 1)
    const { live } = engine.keys.batch(manifest.batch)
    await redis.hset(live, 'status', 'ended')
    const before = await liveOf(manifest)
    expect(await apply(manifest, 1, { paused_at_ms: pausedAtMs })).toBe('ended')
    expect(await liveOf(manifest)).toEqual(before)
    await redis.del(live)
    expect(await apply(manifest, 1, { paused_at_ms: pausedAtMs })).toBe('no_batch')
    expect(await redis.exists(live)).toBe(0)
    expect((await readEvents(engine)).map(({ type }) => type)).toEqual(['batch.in_progress'])
  })
})
