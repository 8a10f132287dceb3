import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { newBatchId } from '../../../src/shared/contract/ids.ts'
import { inputWrittenMs, writeInputChunk } from '../../../src/shared/ledger/chunks.ts'
import { keyKeptMs, takeKey } from '../../../src/shared/ledger/idempotency.ts'
import { readCommit, writeManifest } from '../../../src/shared/ledger/manifest.ts'
import { writeMarker } from '../../../src/shared/ledger/markers.ts'
import type { Store } from '../../../src/shared/ledger/store.ts'
import { systemClock } from '../../../src/shared/process/clock.ts'
import { openLog } from '../../../src/shared/process/log.ts'
import type { Redis } from '../../../src/shared/redis/connect.ts'
import { sweepKeys, sweepUpload, type SweepUploadsParts } from '../../../src/worker/sweep-uploads.ts'
import { freshEngine, newManifest, openRedis } from '../../support/engine.ts'
import { freshNames } from '../../support/fresh-names.ts'
import { openTestStore } from '../../support/test-store.ts'

const hourMs = 3600 * 1000
let redis: Redis
let store: Store
beforeAll(async () => {
  redis = openRedis()
  store = openTestStore((await freshNames(import.meta.filename)).bucket)
})
afterAll(() => {
  redis.disconnect()
  store.close()
})

/** A sweep so many milliseconds from now. */
async function later(ms: number): Promise<SweepUploadsParts> {
  const clock = { ...systemClock, now: () => Date.now() + ms }
  return { ...(await freshEngine(redis)), store, clock, log: openLog({ level: 'silent', format: 'json' }) }
}

async function begun(batch: string): Promise<string> {
  await writeMarker(store, batch, 1)
  const items = [{ index: 0, custom_id: 'a', invalid: { message: 'x' } }]
  await writeInputChunk(store, { batch, attempt: 'one', chunk: 0 }, items)
  await writeInputChunk(store, { batch, attempt: 'two', chunk: 0 }, items)
  return batch
}

async function keysOf(batch: string): Promise<string[]> {
  return (await store.list('')).keys.filter((key) => key.includes(batch))
}

describe('an upload that was never finished', () => {
  it('is given up a day after it last wrote: input and marker go, and a late commit fails', async () => {
    const batch = await begun(newBatchId(Date.now(), Math.random))
    expect(await sweepUpload(await later(23 * hourMs), { batch, round: 1 })).toBe(false)
    expect(await keysOf(batch)).toHaveLength(3)
    expect(await sweepUpload(await later(25 * hourMs), { batch, round: 1 })).toBe(true)
    expect(await keysOf(batch)).toEqual([`batches/${batch}/manifest.json`])
    expect(await readCommit(store, batch)).toBe('abandoned')
    await expect(writeManifest(store, { ...newManifest(1), batch })).rejects.toThrow('another writer was first')
  })

  it('is left alone as long as it writes, however long ago it began', async () => {
    const batch = await begun(newBatchId(Date.now() - 48 * hourMs, Math.random))
    expect(await inputWrittenMs(store, batch)).toBeGreaterThan(Date.now() - hourMs)
    expect(await sweepUpload(await later(0), { batch, round: 1 })).toBe(false)
    expect(await sweepUpload(await later(25 * hourMs), { batch, round: 1 })).toBe(true)
  })

  it('is given up also where it wrote its marker alone', async () => {
    const batch = newBatchId(Date.now() - 25 * hourMs, Math.random)
    await writeMarker(store, batch, 1)
    expect(await sweepUpload(await later(0), { batch, round: 1 })).toBe(true)
    expect(await keysOf(batch)).toEqual([`batches/${batch}/manifest.json`])
  })

  it('goes on being given up where that was cut short', async () => {
    const batch = await begun(newBatchId(Date.now(), Math.random))
    const parts = await later(25 * hourMs)
    const dying = { ...store, remove: () => Promise.reject(new Error('killed')) }
    await expect(sweepUpload({ ...parts, store: dying }, { batch, round: 1 })).rejects.toThrow('killed')
    expect(await sweepUpload(parts, { batch, round: 1 })).toBe(true)
    expect(await keysOf(batch)).toEqual([`batches/${batch}/manifest.json`])
  })

  it('is not what a batch is whose manifest came in the last moment', async () => {
    const batch = await begun(newBatchId(Date.now(), Math.random))
    await writeManifest(store, { ...newManifest(1), batch })
    expect(await sweepUpload(await later(25 * hourMs), { batch, round: 1 })).toBe(false)
    expect(await keysOf(batch)).toHaveLength(4)
  })
})

it('idempotency keys are removed a week after their answer, once a day', async () => {
  const key = { tenant: 'default', key: 'a' }
  const newBatch = (): string => newBatchId(Date.now(), Math.random)
  await takeKey(store, key, { attempt: 'one', newBatch, nowMs: Date.now() })
  const left = async (): Promise<number> => (await store.list('idempotency/')).keys.length
  await sweepKeys(await later(keyKeptMs - hourMs))
  expect(await left()).toBe(1)
  const parts = await later(keyKeptMs + 2 * hourMs)
  await sweepKeys(parts)
  expect(await left()).toBe(0)
  await takeKey(store, key, { attempt: 'one', newBatch, nowMs: Date.now() })
  await sweepKeys(parts)
  expect(await left()).toBe(1)
})
