import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { applyControl } from '../../../../src/shared/batch/apply-control.ts'
import { readLive } from '../../../../src/shared/batch/live.ts'
import { reviveBatch } from '../../../../src/shared/batch/revive.ts'
import { applyLeftControl, pauseBatch, resumeBatch, retryBatch } from '../../../../src/shared/batch/say.ts'
import { changeControl, firstControl, readControl } from '../../../../src/shared/ledger/control.ts'
import { hasMarker, writeMarker } from '../../../../src/shared/ledger/markers.ts'
import type { Store } from '../../../../src/shared/ledger/store.ts'
import { newFeedCache } from '../../../../src/worker/feed.ts'
import { sweep } from '../../../../src/worker/sweep.ts'
import { startTestApi, type TestApi } from '../../../support/api.ts'
import { items, small } from '../../../support/catalog.ts'
import { openWorkedBatch, type WorkedBatch } from '../../../support/worked-batch.ts'

let test: TestApi
beforeAll(async () => {
  test = await startTestApi(import.meta.filename)
})
afterAll(async () => {
  await test[Symbol.asyncDispose]()
})

async function submit(count = 2): Promise<WorkedBatch> {
  const response = await test.submit({ items: items(count), defaults: small })
  return await openWorkedBatch(test.parts, ((await response.json()) as { id: string }).id)
}

/** One item made, one failed, and ended. */
async function completed(): Promise<WorkedBatch> {
  const batch = await submit()
  await batch.settle([0], 'succeeded')
  await batch.settle([1], 'failed')
  await batch.finish()
  return batch
}

const live = ({ id }: { id: string }): ReturnType<typeof readLive> => readLive(test.parts.redis, test.parts.keys, id)
const isPending = async ({ id }: WorkedBatch): Promise<boolean> =>
  (await test.parts.redis.zscore(test.parts.keys.pendingControl, id)) !== null
const lose = ({ id }: WorkedBatch): Promise<number> => test.parts.redis.del(test.parts.keys.batch(id).live)
const sweepNow = (): Promise<void> => sweep({ ...test.parts, cache: newFeedCache(test.parts.store) })

/** What a person says while Redis or the process fails behind the write to the ledger. */
async function sayAndDie(batch: WorkedBatch, change: Parameters<typeof changeControl>[2]): Promise<void> {
  await test.parts.redis.zadd(test.parts.keys.pendingControl, Date.now(), batch.id)
  await changeControl(test.parts.store, batch.id, change)
}

describe('what was said by a process that died', () => {
  it('is applied by the sweep, and taken off the list', async () => {
    const batch = await submit()
    await sayAndDie(batch, (control) => ({ ...control, paused_at_ms: 7 }))
    expect(await live(batch)).not.toHaveProperty('paused_at_ms')
    await applyLeftControl(test.parts, 30_000)
    expect(await live(batch)).not.toHaveProperty('paused_at_ms') // whoever says it may still live
    await applyLeftControl(test.parts, 0)
    expect(await live(batch)).toMatchObject({ paused_at_ms: 7, control_version: 1 })
    expect(await isPending(batch)).toBe(false)
  })

  it('stays on the list while Redis does not have the batch, and comes back with it', async () => {
    const batch = await submit()
    await lose(batch)
    await sayAndDie(batch, (control) => ({ ...control, paused_at_ms: 7 }))
    await applyLeftControl(test.parts, 0)
    expect(await isPending(batch)).toBe(true)
    expect(await reviveBatch(test.parts, { batch: batch.id, round: 1 })).toBe('created')
    expect(await live(batch)).toMatchObject({ paused_at_ms: 7 })
    await applyLeftControl(test.parts, 0)
    expect(await isPending(batch)).toBe(false)
  })

  it('stays on the list where somebody else, who spoke before, applies what he said', async () => {
    const batch = await submit()
    const { redis, keys, clock } = test.parts
    await redis.zadd(keys.pendingControl, 200, batch.id)
    const control = { ...firstControl, version: 1, paused_at_ms: 7 }
    const apply = (since: string): Promise<string> =>
      applyControl(redis, keys, batch.manifest, control, clock.now(), since)
    expect([await apply('100'), await isPending(batch)]).toEqual(['applied', true])
    expect([await apply('200'), await isPending(batch)]).toEqual(['already', false])
  })

  it('leaves the list where the batch has ended long ago', async () => {
    const batch = await completed()
    await sayAndDie(batch, (control) => ({ ...control, name: 'too late' }))
    await lose(batch)
    await applyLeftControl(test.parts, 0)
    expect(await isPending(batch)).toBe(false)
  })
})

describe('a batch that is brought back while somebody says something of it', () => {
  it('has what was said, though it was read before', async () => {
    const batch = await submit()
    await lose(batch)
    const { store } = test.parts
    // Between the read of control and the batch's creation it is paused: Redis does not have it, so nothing is applied.
    let reads = 0
    const slow: Store = {
      ...store,
      async get(key, deadlineMs) {
        const found = await store.get(key, deadlineMs)
        if (key.endsWith('control.json') && (reads += 1) === 1) {
          expect(await pauseBatch(test.parts, 'default', batch.id)).toEqual({ kind: 'said' })
          return undefined
        }
        return found
      },
    }
    expect(await reviveBatch({ ...test.parts, store: slow }, { batch: batch.id, round: 1 })).toBe('created')
    const { paused_at_ms } = await readControl(store, batch.id)
    expect(await live(batch)).toMatchObject({ paused_at_ms, control_version: 1 })
    expect(await resumeBatch(test.parts, 'default', batch.id)).toEqual({ kind: 'said' })
    expect(await live(batch)).not.toHaveProperty('paused_at_ms')
  })
})

describe('a retry whose process died', () => {
  it('before it was said, has not happened: its marker goes, and the end is not told again and again', async () => {
    const batch = await completed()
    const { store, redis, keys } = test.parts
    await redis.zadd(keys.pendingControl, Date.now(), batch.id)
    await writeMarker(store, batch.id, 2)
    await lose(batch)
    expect(await reviveBatch(test.parts, { batch: batch.id, round: 2 })).toBe('unsaid')
    await sweepNow()
    expect(await hasMarker(store, batch.id, 2)).toBe(true) // it may be about to be said
    expect(await live(batch)).toBeUndefined()
    await redis.zrem(keys.pendingControl, batch.id)
    await sweepNow()
    expect(await hasMarker(store, batch.id, 2)).toBe(false)
    expect(await retryBatch(test.parts, 'default', batch.id, undefined)).toEqual({ kind: 'said', retried: 1 })
    expect(await hasMarker(store, batch.id, 2)).toBe(true)
  })

  it('once it was said, happens: the round before is dropped and the next one brought back', async () => {
    const batch = await completed()
    await writeMarker(test.parts.store, batch.id, 2)
    await sayAndDie(batch, (control) => ({ ...control, round: 2 }))
    expect(await live(batch)).toMatchObject({ round: 1, status: 'ended' })
    await applyLeftControl(test.parts, 0)
    expect(await live(batch)).toBeUndefined()
    await sweepNow()
    expect(await live(batch)).toMatchObject({
      round: 2,
      status: 'in_progress',
      open: 1,
      succeeded: 1,
      failed: 0,
      calls: 1,
    })
    await applyLeftControl(test.parts, 0)
    expect(await isPending(batch)).toBe(false)
    const list = (await (await test.send('GET', '/v1/batches?limit=1')).json()) as {
      data: { id: string; status: string }[]
    }
    expect(list.data[0]).toMatchObject({ id: batch.id, status: 'in_progress' })
  })
})

describe('a retry while the end of the round before is being written', () => {
  it('is refused until that end is told of', async () => {
    const batch = await completed()
    const { redis, keys, store } = test.parts
    // The summary stands, and the script that ends the batch has not run.
    await redis.hset(keys.batch(batch.id).live, 'status', 'finalizing')
    expect(await retryBatch(test.parts, 'default', batch.id, undefined)).toEqual({
      kind: 'conflict',
      why: 'has not ended yet',
    })
    expect((await readControl(store, batch.id)).version).toBe(0)
  })
})
