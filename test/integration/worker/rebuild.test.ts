import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { markFed } from '../../../src/shared/batch/feed-turn.ts'
import { reviveBatch } from '../../../src/shared/batch/revive.ts'
import { changeControl, type Control } from '../../../src/shared/ledger/control.ts'
import type { Manifest } from '../../../src/shared/ledger/manifest.ts'
import { writeMarker } from '../../../src/shared/ledger/markers.ts'
import type { Store } from '../../../src/shared/ledger/store.ts'
import { writeSummary } from '../../../src/shared/ledger/summary.ts'
import { newBatchObject } from '../../../src/shared/batch/view.ts'
import { recordAnswer } from '../../../src/shared/batch/record-answer.ts'
import type { Redis } from '../../../src/shared/redis/connect.ts'
import { rebuild } from '../../../src/worker/rebuild.ts'
import { sealChunk } from '../../../src/worker/seal.ts'
import { claimAndGrant, newHold, openRedis, priceNano, readEvents, readState, settle } from '../../support/engine.ts'
import { freshNames } from '../../support/fresh-names.ts'
import { acceptBatch, freshLedgerEngine, onLedger, type LedgerEngine } from '../../support/ledger-engine.ts'
import { forgetAll, restoreAll, snapshot } from '../../support/redis-snapshot.ts'
import { openTestStore } from '../../support/test-store.ts'

let redis: Redis
let store: Store
let engine: LedgerEngine
beforeAll(() => {
  redis = openRedis()
})
afterAll(() => {
  redis.disconnect()
})
// A ledger for each test: a rebuild reads all that is live in it.
beforeEach(async () => {
  store = openTestStore((await freshNames(import.meta.filename)).bucket)
  engine = await freshLedgerEngine(redis, store)
  return () => {
    store.close()
  }
})

const say = (manifest: Manifest, what: Partial<Control>): Promise<Control> =>
  changeControl(store, manifest.batch, (control) => ({ ...control, ...what }))

async function make(manifest: Manifest, from: number, to: number, round = 1): Promise<void> {
  for (let index = from; index < to; index += 1) {
    const hold = newHold(manifest, index, { round })
    await claimAndGrant(engine, hold)
    await recordAnswer(redis, engine.keys, hold, undefined)
    await settle(engine, manifest, hold, 'succeeded', { ownObjectCostNano: priceNano })
  }
}

/** What matters of a batch in Redis: what does not follow from when and by whom it was brought back. */
async function matters({ batch }: Manifest): Promise<object> {
  const { live, states } = await readState(engine, batch)
  const { round, status, calls, cost_nano, images, reserved_nano, control_version, paused_at_ms, budget_nano } = live
  return { states, round, status, calls, cost_nano, images, reserved_nano, control_version, paused_at_ms, budget_nano }
}

const inTurn = async (): Promise<string[]> =>
  (await redis.lrange(engine.keys.feedBatches('standard', 'default'), 0, -1)).toSorted()

describe('rebuild', () => {
  it('brings back everything that the ledger calls live, as the ledger has it, and nothing else', async () => {
    const [one, paused, ended] = [
      await acceptBatch(engine, 600, { budget_nano: 900 * priceNano }),
      await acceptBatch(engine, 3),
      await acceptBatch(engine, 1),
    ]
    await make(one, 498, 503)
    await sealChunk(engine, one.batch, 0)
    await sealChunk(engine, one.batch, 1)
    await say(paused, { paused_at_ms: 77 })
    const summary = { ...newBatchObject(ended), status: 'completed' as const }
    await writeSummary(store, { v: 1, round: 1, sequence: 2, batch: summary })
    await writeMarker(store, 'batch_01JAAAAAAAAAAAAAAAAAAAAAAA', 1)
    await forgetAll(engine)
    expect(await rebuild(engine)).toEqual({ live: 4, created: 2, lost: 2 })
    expect(await matters(one)).toMatchObject({
      status: 'in_progress',
      calls: 5,
      cost_nano: 5 * priceNano,
      images: 5,
      reserved_nano: 0,
      budget_nano: 900 * priceNano,
    })
    expect((await readState(engine, one.batch)).states.filter((state) => state === 'succeeded')).toHaveLength(5)
    expect(await matters(paused)).toMatchObject({ paused_at_ms: 77, control_version: 1 })
    expect(await inTurn()).toEqual([one.batch])
    expect((await redis.smembers(engine.keys.batches)).toSorted()).toEqual([one.batch, paused.batch].toSorted())
    expect(await redis.smembers(engine.keys.undelivered)).toEqual([`${ended.batch}.1`])
  })

  it('finds a Redis that has everything as it is', async () => {
    const manifest = await acceptBatch(engine, 5)
    await make(manifest, 0, 2)
    const [before, events] = [await matters(manifest), await readEvents(engine)]
    expect(await rebuild(engine)).toEqual({ live: 1, created: 0, lost: 0 })
    expect([await matters(manifest), await readEvents(engine)]).toEqual([before, events])
  })

  it('does no harm where two run at once, on an empty Redis and on an older one', async () => {
    const manifests = [await acceptBatch(engine, 520), await acceptBatch(engine, 4), await acceptBatch(engine, 4)]
    const [first, second, third] = manifests as [Manifest, Manifest, Manifest]
    const older = await snapshot(engine)
    await make(first, 0, 3)
    await sealChunk(engine, first.batch, 0)
    await make(second, 0, 4)
    await sealChunk(engine, second.batch, 0)
    await say(third, { paused_at_ms: 77 })
    const once = async (put: () => Promise<void>, times: number): Promise<object[]> => {
      await put()
      const others = Array.from({ length: times - 1 }, () => onLedger({ ...engine, redis: openRedis() }, store))
      await Promise.all([engine, ...others].map((one) => rebuild(one)))
      for (const other of others) other.redis.disconnect()
      return await Promise.all(manifests.map((manifest) => matters(manifest)))
    }
    const empty = (): Promise<void> => forgetAll(engine)
    expect(await once(empty, 3)).toEqual(await once(empty, 1))
    const old = (): Promise<void> => restoreAll(engine, older)
    expect(await once(old, 3)).toEqual(await once(old, 1))
  })

  it('brings a Redis that came back older forward: states, counts and usage as the ledger has them, no event again', async () => {
    const manifest = await acceptBatch(engine, 510)
    await markFed(redis, engine.keys, manifest.batch, [0, 1, 2, 3])
    await make(manifest, 0, 1)
    const calling = newHold(manifest, 1)
    await claimAndGrant(engine, calling)
    const older = await snapshot(engine)
    await recordAnswer(redis, engine.keys, calling, undefined)
    await settle(engine, manifest, calling, 'succeeded', { ownObjectCostNano: priceNano })
    await make(manifest, 2, 3)
    await make(manifest, 500, 510)
    await sealChunk(engine, manifest.batch, 0)
    await sealChunk(engine, manifest.batch, 1)
    const after = await matters(manifest)
    await restoreAll(engine, older)
    const events = await readEvents(engine)
    expect(await rebuild(engine)).toEqual({ live: 1, created: 0, lost: 0 })
    expect(await matters(manifest)).toEqual(after)
    expect(await readEvents(engine)).toEqual(events)
    // Outcomes that were unwritten then are written by now: sealing again lets go of them and changes no line.
    await sealChunk(engine, manifest.batch, 0)
    expect(await redis.get(engine.keys.unwritten)).toBe('0')
  })

  it('applies control of a higher version than Redis has, and of a lower one nothing', async () => {
    const [paused, running] = [await acceptBatch(engine, 3), await acceptBatch(engine, 3)]
    await say(paused, { paused_at_ms: 77 })
    await redis.hset(engine.keys.batch(running.batch).live, 'control_version', 4)
    await say(running, { paused_at_ms: 77 })
    await rebuild(engine)
    expect(await matters(paused)).toMatchObject({ paused_at_ms: 77, control_version: 1 })
    expect(await matters(running)).toMatchObject({ control_version: 4 })
    expect(await inTurn()).toEqual([running.batch])
  })

  it('brings a retry back that Redis has forgotten, or knows the round before of', async () => {
    const manifest = await acceptBatch(engine, 3)
    await make(manifest, 0, 2)
    const failing = newHold(manifest, 2)
    await claimAndGrant(engine, failing)
    const older = await snapshot(engine)
    await settle(engine, manifest, failing, 'failed')
    await sealChunk(engine, manifest.batch, 0)
    const { live } = await readState(engine, manifest.batch)
    const usage = { images: 2, provider_calls: live.calls, cost_usd: '0.006', indeterminate: 0 }
    const ended = { ...newBatchObject(manifest), status: 'completed' as const, usage }
    await writeSummary(store, { v: 1, round: 1, sequence: 9, batch: ended })
    await writeMarker(store, manifest.batch, 2)
    await say(manifest, { round: 2, retry_codes: null })
    for (const put of [(): Promise<void> => forgetAll(engine), (): Promise<void> => restoreAll(engine, older)]) {
      await put()
      expect(await rebuild(engine)).toMatchObject({ live: 2, created: 1 })
      expect(await matters(manifest)).toMatchObject({
        round: 2,
        states: ['succeeded', 'succeeded', 'open'],
        calls: live.calls,
        cost_nano: live.cost_nano,
      })
      expect(await inTurn()).toEqual([manifest.batch])
    }
  })

  it('counts as lost what a sweep has brought back since, for the living must speak first all the same', async () => {
    const manifest = await acceptBatch(engine, 3)
    await forgetAll(engine)
    await reviveBatch(engine, { batch: manifest.batch, round: 1 })
    await acceptBatch(engine, 3)
    expect(await rebuild(engine)).toEqual({ live: 2, created: 0, lost: 1 })
  })
})
