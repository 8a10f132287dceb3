import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { applyControl } from '../../../src/shared/batch/apply-control.ts'
import { closeItems } from '../../../src/shared/batch/close-range.ts'
import { endBatch } from '../../../src/shared/batch/end.ts'
import { fixEnd } from '../../../src/shared/batch/ends-as.ts'
import { markFed } from '../../../src/shared/batch/feed-turn.ts'
import { handBack } from '../../../src/shared/batch/hand-back.ts'
import { nothingToBook, putBack } from '../../../src/shared/batch/put-back.ts'
import { recordAnswer } from '../../../src/shared/batch/record-answer.ts'
import { reopenItems } from '../../../src/shared/batch/reopen.ts'
import { newBatchObject } from '../../../src/shared/batch/view.ts'
import { itemId } from '../../../src/shared/contract/ids.ts'
import { firstControl } from '../../../src/shared/ledger/control.ts'
import type { Manifest } from '../../../src/shared/ledger/manifest.ts'
import type { Store } from '../../../src/shared/ledger/store.ts'
import { writeSummary } from '../../../src/shared/ledger/summary.ts'
import { openLog } from '../../../src/shared/process/log.ts'
import { openMetrics } from '../../../src/shared/process/metrics.ts'
import { systemRandom } from '../../../src/shared/process/random.ts'
import { startConsumer } from '../../../src/shared/queues/consume.ts'
import { batchJob, generateJob, queueNames } from '../../../src/shared/queues/jobs.ts'
import { waitingKey } from '../../../src/shared/queues/open.ts'
import { again } from '../../../src/shared/queues/verdict.ts'
import type { Redis } from '../../../src/shared/redis/connect.ts'
import type { Epoch } from '../../../src/worker/epoch.ts'
import { feedQueue, newFeedCache, type FeedParts } from '../../../src/worker/feed.ts'
import { relayEvents } from '../../../src/worker/relay/relay.ts'
import { sealChunk } from '../../../src/worker/seal.ts'
import { sweep } from '../../../src/worker/sweep.ts'
import { receive } from '../../support/deliveries.ts'
import {
  claim,
  claimAndGrant,
  newBatch,
  newHold,
  openRedis,
  priceNano,
  readState,
  runId,
  settle,
  type Engine,
} from '../../support/engine.ts'
import { eventually } from '../../support/eventually.ts'
import { freshNames } from '../../support/fresh-names.ts'
import { acceptBatch, freshLedgerEngine, type LedgerEngine } from '../../support/ledger-engine.ts'
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
beforeEach(async () => {
  store = openTestStore((await freshNames(import.meta.filename)).bucket)
  engine = await freshLedgerEngine(redis, store)
  return () => {
    store.close()
  }
})

const nowMs = 1_700_000_050_000

/** What all keys of a batch take of Redis' memory. */
async function bytesOf({ redis: client, keys }: Engine, { batch }: Manifest): Promise<number> {
  let sum = 0
  for (const key of await client.keys(`${keys.prefix}:live:${batch}*`)) sum += Number(await client.memory('USAGE', key))
  return sum
}

describe('a batch in Redis', () => {
  it('takes four bits an item, and little else, however many it has', async () => {
    const total = 50_000
    const [small, large] = [await newBatch(engine, 1000), await newBatch(engine, total)]
    const [smallBytes, largeBytes] = [await bytesOf(engine, small), await bytesOf(engine, large)]
    // The allocator rounds up to a quarter more.
    expect(largeBytes - smallBytes).toBeLessThan((total / 2) * 1.25)
    expect(largeBytes).toBeLessThan((total / 2) * 1.25 + 4096)
    expect(smallBytes).toBeLessThan(4096)
  })

  it('takes no more once its items were fed, claimed, settled and sealed', async () => {
    const manifest = await acceptBatch(engine, 3000)
    const before = await bytesOf(engine, manifest)
    const indexes = Array.from({ length: 1000 }, (_, index) => index)
    await markFed(redis, engine.keys, manifest.batch, indexes)
    await Promise.all(
      indexes.map(async (index) => {
        const hold = newHold(manifest, index)
        await claimAndGrant(engine, hold)
        await recordAnswer(redis, engine.keys, hold, undefined, { at: 1, class: 'ok', status: 200, duration_ms: 5 })
        await settle(engine, manifest, hold, 'succeeded')
      }),
    )
    expect(await bytesOf(engine, manifest)).toBeGreaterThan(before + 1000 * 200)
    for (const chunk of [0, 1]) await sealChunk(engine, manifest.batch, chunk)
    expect(await bytesOf(engine, manifest)).toBeLessThan(before + 1024)
    expect(await redis.get(engine.keys.unwritten)).toBe('0')
  })
})

describe('the queue', () => {
  it('holds a window of jobs, ready and delayed, whatever the number of batches and tenants', async () => {
    const { keys, queues, clock } = engine
    const places = 4
    const window = 2 * places
    await redis.hset(keys.workers, 'process-1', places)
    for (let at = 0; at < 30; at += 1) await acceptBatch(engine, 20, {}, `tenant-${String(at % 3)}`)
    const queue = queues.get(queueNames.standard)
    const ready = (): Promise<number> => redis.llen(waitingKey(keys.prefix, queueNames.standard))
    const feed = (): Promise<unknown> => feedQueue(feedParts(), 'standard')
    await feed()
    expect(await ready()).toBe(window)
    await Promise.all([feed(), feed()])
    expect(await ready()).toBe(window)

    // All of them back off, so that there is room for others, and so on.
    const options = { queue: queueNames.standard, data: generateJob, concurrency: places }
    const consuming = redis.duplicate({ maxRetriesPerRequest: null })
    const onError = (_: string, error: Error): void => {
      throw error
    }
    const parts = { redis: consuming, prefix: keys.prefix, lockMs: 8000, clock, random: systemRandom, onError }
    const consumer = startConsumer(parts, { ...options, handle: () => Promise.resolve(again(600_000)) })
    let delayed = 0
    for (;;) {
      await eventually(async () => (await queue.getJobCountByTypes('wait', 'active')) === 0, {
        what: 'all to back off',
      })
      const before = delayed
      delayed = await queue.getDelayedCount()
      if (delayed === before) break
      await feed()
      expect((await ready()) + (await queue.getDelayedCount())).toBeLessThanOrEqual(10 * window + places)
    }
    // What is in work when the feed counts may back off, too.
    expect(delayed).toBeGreaterThanOrEqual(10 * window)
    expect(delayed).toBeLessThanOrEqual(10 * window + places)
    await consumer.close()
    consuming.disconnect()
  })
})

describe('outcomes that are not in the ledger', () => {
  it('are sealed, those of all batches, as soon as they weigh more than 32 MB together', async () => {
    const manifests = [await acceptBatch(engine, 600), await acceptBatch(engine, 12), await acceptBatch(engine, 12)]
    const [first, second, third] = manifests as [Manifest, Manifest, Manifest]
    const settleHeavy = async (manifest: Manifest, index: number): Promise<void> => {
      const outcome = { id: itemId(manifest.batch, index), custom_id: '#'.repeat(2 ** 20), status: 'reused' as const }
      const what = { outcome: { ...outcome, response: null, error: null }, nowMs: Date.now() }
      await settle(engine, manifest, newHold(manifest, index), 'reused', what)
    }
    for (let index = 0; index < 10; index += 1) await settleHeavy(first, index)
    for (let index = 500; index < 511; index += 1) await settleHeavy(first, index)
    for (let index = 0; index < 10; index += 1) await settleHeavy(second, index)
    const seals = async (): Promise<string[]> => {
      await sweep({
        ...engine,
        log: openLog({ level: 'silent', format: 'json' }),
        metrics: openMetrics(),
        cache: newFeedCache(store),
      })
      const jobs = await engine.queues.get(queueNames.batch).getJobs(['wait'])
      const asked = jobs.map((job) => batchJob.parse(job.data))
      return asked.flatMap((job) => (job.kind === 'seal' ? [`${job.batch} ${String(job.chunk)}`] : [])).toSorted()
    }
    expect(await seals()).toEqual([])
    await settleHeavy(third, 0)
    const places = [
      [first, 0],
      [first, 1],
      [second, 0],
      [third, 0],
    ] as const
    expect(await seals()).toEqual(places.map(([{ batch }, chunk]) => `${batch} ${String(chunk)}`).toSorted())
    for (const [{ batch }, chunk] of places) await sealChunk(engine, batch, chunk)
    expect(await redis.get(engine.keys.unwritten)).toBe('0')
  })
})

async function allEndWithinAMinute({ batch }: Manifest): Promise<void> {
  const { keys } = engine
  const ofBatch = await redis.keys(`${keys.prefix}:*${batch}*`)
  expect(ofBatch).toContain(keys.batch(batch).live)
  for (const key of ofBatch) {
    const ttlMs = await redis.pttl(key)
    expect([key, ttlMs > 0 && ttlMs <= 60_000]).toEqual([key, true])
  }
}

describe('a batch that has ended', () => {
  it('leaves Redis within its minute, whoever comes late: no key of it is without an end', async () => {
    const webhook = { url: 'https://shop.example', events: ['batch.completed', 'item.succeeded', 'item.failed'] }
    const manifest = await acceptBatch(engine, 4, { webhook })
    const { batch, attempt } = manifest
    const { keys } = engine
    await markFed(redis, keys, batch, [0, 1, 2])
    const entry = { at: 1, class: 'transient', status: 500, duration_ms: 5 }
    const late = [0, 1, 2].map((index) => newHold(manifest, index, { process: 'zombie' }))
    for (const zombie of late) await claimAndGrant(engine, zombie)
    // Another process took the first over and holds it when the batch ends.
    const holder = newHold(manifest, 0)
    await claimAndGrant(engine, holder)
    for (const zombie of late) await settle(engine, manifest, zombie, 'succeeded', { entry })
    const last = newHold(manifest, 3)
    await claim(engine, last)
    await putBack(redis, keys, last, { ...nothingToBook, calls: 1 }, false, entry)
    // It is closed with what was tried; its line is made from the input.
    await applyControl(redis, keys, manifest, { ...firstControl, version: 1, cancelled_at_ms: nowMs }, nowMs)
    await closeItems(redis, keys, runId, batch, nowMs)
    await sealChunk(engine, batch, 0)
    await fixEnd(redis, keys, batch, 1)
    const summary = { ...newBatchObject(manifest), status: 'completed' as const }
    await writeSummary(store, { v: 1, round: 1, sequence: 9, batch: summary })
    const ending = { batch, round: 1, attempt, eventType: 'batch.completed', nowMs }
    expect(await endBatch(redis, keys, ending)).toBe('ended')
    await relayEvents(engine)
    expect(await receive(engine, 100)).toHaveLength(4)
    expect(await redis.exists(keys.batch(batch).tries, keys.batch(batch).log)).toBe(2)

    await allEndWithinAMinute(manifest)

    await recordAnswer(redis, keys, holder, 'https://cdn.example/a.png', entry)
    await putBack(redis, keys, holder, { ...nothingToBook, calls: 1 }, true, entry)
    for (const hold of [holder, ...late, last]) {
      await claim(engine, hold)
      await settle(engine, manifest, hold, 'failed', { entry })
      await handBack(redis, keys, hold, { claimed: true, overBudgetNano: priceNano, nowMs })
      await handBack(redis, keys, hold, { claimed: false, overBudgetNano: priceNano, nowMs })
    }
    await markFed(redis, keys, batch, [0, 1, 2, 3])
    await reopenItems(redis, keys, manifest, 1, [0, 1])
    await applyControl(redis, keys, manifest, { ...firstControl, version: 2, paused_at_ms: nowMs }, nowMs)
    await closeItems(redis, keys, runId, batch, nowMs)
    expect((await readState(engine, batch)).live.status).toBe('ended')

    await allEndWithinAMinute(manifest)
    // What stays without an end is of no batch. Queues keep a few keys of their own.
    const stays: string[] = []
    for (const key of await redis.keys(`${keys.prefix}:*`)) if ((await redis.pttl(key)) === -1) stays.push(key)
    const global = [keys.epoch, keys.events, keys.relayCursor, keys.unwritten, keys.lane('provider')]
    const ofQueues = /:(batch|deliver|generate-\w+):(meta|id|events|marker)$/
    expect(stays.filter((key) => !global.includes(key) && !ofQueues.test(key))).toEqual([])
  })
})

function feedParts(): FeedParts {
  const epoch: Epoch = {
    guarded: (call) => call(redis, runId),
    known: Promise.resolve(),
    check: () => Promise.resolve(),
    stop: () => undefined,
  }
  const feedTrigger = { ready: () => undefined, window: () => undefined }
  return {
    ...engine,
    metrics: openMetrics(),
    epoch,
    feedTrigger,
    relayTrigger: () => undefined,
    cache: newFeedCache(store),
  }
}
