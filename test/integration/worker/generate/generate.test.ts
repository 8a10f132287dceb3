import { createHash } from 'node:crypto'
import sharp from 'sharp'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { Failure } from '../../../../src/shared/failures/failure.ts'
import { closeLane } from '../../../../src/shared/lanes/lane.ts'
import type { Manifest } from '../../../../src/shared/ledger/manifest.ts'
import { outputPath } from '../../../../src/shared/ledger/paths.ts'
import type { Store } from '../../../../src/shared/ledger/store.ts'
import { createOutbound } from '../../../../src/shared/outbound/fetch.ts'
import { systemClock } from '../../../../src/shared/process/clock.ts'
import { openLog } from '../../../../src/shared/process/log.ts'
import { openMetrics } from '../../../../src/shared/process/metrics.ts'
import { systemRandom } from '../../../../src/shared/process/random.ts'
import type { GenerateJob } from '../../../../src/shared/queues/jobs.ts'
import { openQueues, type Queues } from '../../../../src/shared/queues/open.ts'
import type { Redis } from '../../../../src/shared/redis/connect.ts'
import { startBatchWatch } from '../../../../src/worker/batch-watch.ts'
import { newAttempts } from '../../../../src/worker/attempts.ts'
import { generateItem } from '../../../../src/worker/generate/generate.ts'
import { newSettleStep } from '../../../../src/worker/generate/settle-step.ts'
import type { GenerateParts } from '../../../../src/worker/generate/work.ts'
import { newPace } from '../../../../src/worker/pace.ts'
import type { ImageRequest, ProviderAnswer } from '../../../../src/worker/provider/client.ts'
import { newStorageGate } from '../../../../src/worker/storage-gate.ts'
import {
  beat,
  freshEngine,
  newBatch,
  newHold,
  openRedis,
  priceNano,
  readEvents,
  readFence,
  readState,
  runId,
  type Engine,
} from '../../../support/engine.ts'
import { eventually } from '../../../support/eventually.ts'
import { freshNames } from '../../../support/fresh-names.ts'
import { openTestStore } from '../../../support/test-store.ts'

let redis: Redis
let store: Store
let queues: Queues
let engine: Engine
let png: Buffer
let calls: ImageRequest[]
/** What the provider does with the next call, and what happens while it works. */
let answer: () => Promise<ProviderAnswer>
let deadline: AbortController

/** Waits are short; time itself goes as it does, so that a slow moment of the machine is no late grant. */
const clock = { ...systemClock, sleep: (ms: number, signal?: AbortSignal) => systemClock.sleep(ms / 20, signal) }
const outbound = createOutbound({ clock })

beforeAll(async () => {
  redis = openRedis()
  store = openTestStore((await freshNames(import.meta.filename)).bucket)
  png = await sharp({ create: { width: 16, height: 16, channels: 3, background: '#c63' } })
    .png()
    .toBuffer()
})
afterAll(async () => {
  redis.disconnect()
  store.close()
  await outbound.close()
})
beforeEach(async () => {
  engine = await freshEngine(redis)
  queues = openQueues(redis, engine.keys.prefix, () => undefined)
  calls = []
  deadline = new AbortController()
  answer = () => Promise.resolve(bytesAnswer())
})

function bytesAnswer(): ProviderAnswer {
  return { image: { kind: 'bytes', bytes: png }, requestId: undefined, pace: { limit: 600 } }
}

/** A worker's parts on the real Redis and S3; the provider is what the test says it is. */
function parts(more: Partial<Pick<GenerateParts, 'redis' | 'store'>> = {}): GenerateParts {
  const { keys } = engine
  const log = openLog({ level: 'silent', format: 'json' })
  const metrics = openMetrics()
  const feedTrigger = { ready: () => undefined, window: () => undefined }
  const own = { redis, store, keys, clock, random: systemRandom, log, metrics, ...more }
  return {
    ...own,
    outbound,
    trustedOrigin: 'http://127.0.0.1',
    userAgent: 'test',
    attempts: newAttempts(systemRandom),
    epoch: {
      guarded: (call) => call(redis, runId),
      known: Promise.resolve(),
      check: () => Promise.resolve(),
      stop: () => undefined,
    },
    slots: { take: () => Promise.resolve({ probe: false, release: () => undefined }), inUse: () => 0 },
    storage: newStorageGate({ ...own, onClosed: () => undefined }),
    provider: {
      generateImage(request) {
        calls.push(request)
        return answer()
      },
      close: () => Promise.resolve(),
    },
    pace: newPace({ ...own, placesMax: 10, configured: undefined }),
    settle: newSettleStep({
      ...own,
      queues,
      feedTrigger,
      relayTrigger: () => undefined,
      deadline: deadline.signal,
    }),
    feedTrigger,
    batchWatch: startBatchWatch({
      redis,
      keys,
      clock: { ...clock, every: () => () => undefined },
      onError: () => undefined,
    }),
    retryUnknown: true,
    stopping: deadline.signal,
    deadline: deadline.signal,
  }
}

async function newJob(): Promise<{ manifest: Manifest; job: GenerateJob }> {
  const manifest = await newBatch(engine, 1, { fed: 1 })
  const { batch, tenant, total } = manifest
  const job: GenerateJob = {
    v: 1,
    tenant,
    batch,
    round: 1,
    priority: 'standard',
    total,
    overwrite: 'changed',
    max_attempts: 3,
    cache_control: null,
    item: {
      index: 0,
      custom_id: 'shoe',
      model: 'm',
      prompt: 'A shoe',
      parameters: {},
      fingerprint: createHash('sha256').update(batch).digest('hex'),
      key: `${batch}/shoe.{{ext}}`,
      price_nano: priceNano,
    },
  }
  return { manifest, job }
}

/** A Redis that fails the first so many of the scripts that have the event log among their keys, or any that is named. */
function failing(times: number, of: (keys: readonly unknown[]) => boolean): Redis {
  let left = times
  return new Proxy(redis, {
    get(target, name, receiver) {
      if (name !== 'evalsha') return Reflect.get(target, name, receiver) as unknown
      return (...call: Parameters<Redis['evalsha']>): Promise<unknown> => {
        const [, keyCount, ...rest] = call
        if (left === 0 || !of(rest.slice(0, Number(keyCount)))) return target.evalsha(...call)
        left -= 1
        return Promise.reject(new Error('Command timed out'))
      }
    },
  })
}

const pathOf = ({ batch }: Manifest): string => outputPath('default', `${batch}/shoe.png`)

async function expectOnePaidImage(manifest: Manifest): Promise<void> {
  const { live, tries } = await readState(engine, manifest.batch)
  expect(live).toMatchObject({ succeeded: 1, images: 1, calls: 1, indeterminate: 0, cost_nano: priceNano })
  expect(tries).toEqual({})
  expect((await store.get(pathOf(manifest)))?.body.equals(png)).toBe(true)
  expect(calls).toHaveLength(1)
}

describe('an item', () => {
  it('is made, paid once, stored and settled', async () => {
    const { manifest, job } = await newJob()
    expect(await generateItem(parts(), job)).toEqual({ kind: 'done' })
    await expectOnePaidImage(manifest)
    expect(await store.head(pathOf(manifest))).toMatchObject({
      contentType: 'image/png',
      metadata: { fingerprint: job.item.fingerprint, 'cost-usd': '0.003', width: '16', height: '16' },
    })
    expect(await readFence(engine, newHold(manifest, 0, { stem: `${manifest.batch}/shoe` }))).toEqual({})
  })

  it('that is settled is not called again', async () => {
    const { manifest, job } = await newJob()
    const worker = parts()
    await generateItem(worker, job)
    expect(await generateItem(worker, job)).toEqual({ kind: 'done' })
    await expectOnePaidImage(manifest)
  })

  it('that another worker holds waits', async () => {
    const { job } = await newJob()
    const [one, two] = [parts(), parts()]
    await beat(engine, one.attempts.process)
    const { promise, resolve } = Promise.withResolvers<ProviderAnswer>()
    answer = () => promise
    const first = generateItem(one, job)
    await eventually(() => calls.length === 1, { what: 'the call' })
    expect(await generateItem(two, job)).toMatchObject({ kind: 'again' })
    resolve(bytesAnswer())
    expect(await first).toEqual({ kind: 'done' })
    expect(calls).toHaveLength(1)
  })
})

describe('a paid image is not lost', () => {
  it('where Redis fails as the answer comes', async () => {
    const { manifest, job } = await newJob()
    const worker = parts({ redis: failing(3, (keys) => keys.includes(engine.keys.events)) })
    expect(await generateItem(worker, job)).toEqual({ kind: 'done' })
    await expectOnePaidImage(manifest)
  })

  it('nor is its call, where one before it was counted', async () => {
    const { manifest, job } = await newJob()
    answer = () => Promise.reject(new Failure({ class: 'transient', code: 'provider_error', message: 'status 500' }))
    expect(await generateItem(parts(), job)).toMatchObject({ kind: 'again' })
    answer = () => Promise.resolve(bytesAnswer())
    const worker = parts({ redis: failing(3, (keys) => keys.includes(engine.keys.events)) })
    expect(await generateItem(worker, job)).toEqual({ kind: 'done' })
    const { live } = await readState(engine, manifest.batch)
    expect(live).toMatchObject({ succeeded: 1, images: 1, calls: 2, cost_nano: priceNano })
  })

  it('where the provider’s pace cannot be noted', async () => {
    const { manifest, job } = await newJob()
    const worker = parts({ redis: failing(99, (keys) => keys.includes(engine.keys.rate)) })
    expect(await generateItem(worker, job)).toEqual({ kind: 'done' })
    await expectOnePaidImage(manifest)
  })

  it('where Redis fails until the worker must end: it is stored, and the next look finds it', async () => {
    const { manifest, job } = await newJob()
    const worker = parts({ redis: failing(Infinity, () => true) })
    const ending = generateItem(worker, job).catch(() => 'ended')
    await eventually(() => calls.length === 1, { what: 'the call' })
    deadline.abort(new Error('the grace is over'))
    expect(await ending).toBe('ended')
    deadline = new AbortController()
    expect(await generateItem(parts(), job)).toEqual({ kind: 'done' })
    await expectOnePaidImage(manifest)
  })

  it('where S3 is away, and Redis too: it is stored when they are back', async () => {
    const { manifest, job } = await newJob()
    const nowhere = openTestStore('nowhere', { endpoint: 'http://127.0.0.1:1', deadlineMs: 50 })
    let failures = 2
    const shaky: Store = {
      ...store,
      put: (...put) => {
        if (failures === 0) return store.put(...put)
        failures -= 1
        return nowhere.put(...put)
      },
    }
    const worker = parts({ store: shaky, redis: failing(2, (keys) => keys.includes(engine.keys.lane('storage'))) })
    expect(await generateItem(worker, job)).toEqual({ kind: 'done' })
    await expectOnePaidImage(manifest)
    nowhere.close()
  })

  it('where another worker took over while it was being made: either’s is kept, and both calls are counted', async () => {
    const { manifest, job } = await newJob()
    const [slow, quick] = [parts(), parts()]
    const { promise, resolve } = Promise.withResolvers<ProviderAnswer>()
    answer = () => promise
    const first = generateItem(slow, job) // has no heartbeat: it is taken for dead
    await eventually(() => calls.length === 1, { what: 'the call' })
    answer = () => Promise.resolve(bytesAnswer())
    expect(await generateItem(quick, job)).toEqual({ kind: 'done' })
    resolve(bytesAnswer())
    expect(await first).toEqual({ kind: 'done' })
    const { live } = await readState(engine, manifest.batch)
    expect(live).toMatchObject({ succeeded: 1, images: 1, calls: 2, cost_nano: 2 * priceNano })
    expect(calls).toHaveLength(2)
  })
})

describe('no call is paid', () => {
  it('through a lane that closed while the slot was waited for', async () => {
    const { manifest, job } = await newJob()
    await closeLane(redis, engine.keys, 'storage', 'storage_down', 'down')
    expect(await generateItem(parts(), job)).toMatchObject({ kind: 'again' })
    expect(calls).toEqual([])
    expect((await readState(engine, manifest.batch)).states).toEqual(['fed'])
    expect((await readEvents(engine)).at(-1)).toMatchObject({ type: 'storage.lane_closed' })
  })

  it('for an image that stands already', async () => {
    const { manifest, job } = await newJob()
    await generateItem(parts(), job)
    const other = await newJob()
    const same = { ...other.job, item: { ...job.item } }
    expect(await generateItem(parts(), same)).toEqual({ kind: 'done' })
    expect((await readState(engine, other.manifest.batch)).live).toMatchObject({ reused: 1, calls: 0, images: 0 })
    await expectOnePaidImage(manifest)
  })
})
