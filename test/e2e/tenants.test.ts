import { afterEach, beforeEach, expect, inject, it } from 'vitest'
import type { Store } from '../../src/shared/ledger/store.ts'
import { triggerFeed } from '../../src/shared/queues/enqueue.ts'
import type { Redis } from '../../src/shared/redis/connect.ts'
import { newKeys } from '../../src/shared/redis/keys.ts'
import { startDeployment, type Deployment } from '../support/deployment.ts'
import { openRedis } from '../support/engine.ts'
import { eventually } from '../support/eventually.ts'
import { freshNames } from '../support/fresh-names.ts'
import { acceptBatch, onLedger, type LedgerEngine } from '../support/ledger-engine.ts'
import { openTestStore } from '../support/test-store.ts'

/** The one worker has so few places: what stands in the window is in front of everybody. */
const places = 4

let redis: Redis
let store: Store
let engine: LedgerEngine
let deployment: Deployment
beforeEach(async () => {
  const names = await freshNames(import.meta.filename)
  redis = openRedis()
  store = openTestStore(names.bucket)
  engine = onLedger({ redis, keys: newKeys(names.redisPrefix) }, store)
  deployment = await startDeployment({
    redisUrl: inject('redisUrl'),
    s3: inject('s3'),
    ...names,
    workers: 0,
    latencyMs: 40,
    env: { WORKER_CONCURRENCY: String(places) },
  })
})
afterEach(async () => {
  await deployment[Symbol.asyncDispose]()
  await engine.queues.close()
  redis.disconnect()
  store.close()
})

/** Whose images the provider made, in the order of its own record. */
async function callers(): Promise<string[]> {
  return (await deployment.calls()).calls.map(({ prompt }) => prompt.replace('a shoe of ', ''))
}

async function callsOf(count: number): Promise<string[]> {
  return await eventually(async () => (await callers()).length >= count && (await callers()), {
    withinMs: 60_000,
    what: `${String(count)} calls`,
  })
}

it('lets ten items of one tenant through beside the thousands of another', async () => {
  await acceptBatch(engine, 2000, {}, 'large')
  await deployment.startWorker()
  const before = (await callsOf(40)).length
  await acceptBatch(engine, 10, {}, 'small')
  await triggerFeed(engine.queues, 'standard')
  const order = await eventually(
    async () => {
      const seen = await callers()
      return seen.filter((tenant) => tenant === 'small').length === 10 && seen
    },
    { withinMs: 60_000, what: 'the small batch' },
  )
  // Its ten, as many of the other's in turn, and what stood in the window and in the places before it came.
  expect(order.lastIndexOf('small') - before).toBeLessThan(2 * 10 + 6 * places + 20)
}, 90_000)

it('gives a tenant with two hundred batches no more than one with a single batch', async () => {
  for (let batch = 0; batch < 200; batch += 1) await acceptBatch(engine, 2, {}, 'many')
  await acceptBatch(engine, 400, {}, 'one')
  await deployment.startWorker()
  const first = (await callsOf(200)).slice(0, 200)
  const share = first.filter((tenant) => tenant === 'many').length
  expect(share).toBeGreaterThan(80)
  expect(share).toBeLessThan(120)
}, 90_000)
