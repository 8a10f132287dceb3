import { Redis } from 'ioredis'
import { expect, inject, it } from 'vitest'
import { items, small } from '../support/catalog.ts'
import { startDeployment, type Deployment } from '../support/deployment.ts'
import { eventually } from '../support/eventually.ts'
import { freshNames } from '../support/fresh-names.ts'
import { startOwnRedis, type OwnRedis } from '../support/own-redis.ts'

const count = 300
/** The lease is short, so that the test is. */
const lockMs = 4000

async function deploy(redis: OwnRedis): Promise<Deployment> {
  const { bucket, redisPrefix } = await freshNames(import.meta.filename)
  return await startDeployment({
    redisUrl: redis.url,
    redisPrefix,
    s3: inject('s3'),
    bucket,
    workers: 2,
    latencyMs: 150,
    env: { WORKER_LOCK_MS: String(lockMs), WORKER_CONCURRENCY: '8', SWEEP_INTERVAL_MS: '1000' },
  })
}

async function done(deployment: Deployment, id: string, share: number): Promise<void> {
  await eventually(async () => (await deployment.get(id)).request_counts.succeeded >= count * share, {
    withinMs: 60_000,
    what: `${String(share * 100)} % of the batch`,
  })
}

/** Waits for the end. By the provider's own record every image was paid for once; gives how many were. */
async function paidWhole(deployment: Deployment, id: string): Promise<number> {
  const batch = await deployment.ended(id, 100_000)
  expect(batch.request_counts).toMatchObject({ total: count, succeeded: count, failed: 0 })
  const lines = await deployment.results(id)
  expect(lines.map(({ custom_id }) => custom_id)).toEqual(items(count).map(({ custom_id }) => custom_id))
  expect(Number(batch.usage.cost_usd)).toBeCloseTo(count * 0.003, 9)
  return (await deployment.calls()).paid
}

it('loses nothing and pays nothing twice when Redis is flushed under running workers', async () => {
  await using redis = await startOwnRedis()
  await using deployment = await deploy(redis)
  const { id } = await deployment.submit({ items: items(count), defaults: small })
  await done(deployment, id, 0.4)
  const client = new Redis(redis.url)
  const flushedAt = Date.now()
  await client.flushall()
  const quietUntil = await eventually(
    async () => {
      const keys = await client.keys('*:epoch')
      return keys[0] !== undefined && Number(await client.hget(keys[0], 'quiet_until_ms'))
    },
    { withinMs: 30_000, what: 'the rebuild' },
  )
  client.disconnect()
  expect(await paidWhole(deployment, id)).toBe(count)
  // What was granted before the loss may be sent within a second of it; then nobody calls until the rebuild is through.
  const { calls } = await deployment.calls()
  expect(calls.filter(({ at_ms }) => at_ms > flushedAt + 1000 && at_ms < quietUntil)).toEqual([])
}, 180_000)

it('goes on from the ledger when Redis comes back older than it was', async () => {
  await using redis = await startOwnRedis()
  await using deployment = await deploy(redis)
  const { id } = await deployment.submit({ items: items(count), defaults: small })
  await done(deployment, id, 0.2)
  await redis.remember()
  await done(deployment, id, 0.6)
  await redis.kill()
  await redis.putBack()
  await redis.start()
  expect(await paidWhole(deployment, id)).toBe(count)
}, 180_000)

it('pays no image twice when Redis is away for longer than a lease', async () => {
  await using redis = await startOwnRedis()
  await using deployment = await deploy(redis)
  const { id } = await deployment.submit({ items: items(count), defaults: small })
  await done(deployment, id, 0.4)
  await redis.kill()
  const killedAt = performance.now()
  await eventually(() => performance.now() - killedAt > lockMs * 1.5, {
    withinMs: 30_000,
    what: 'the lease to run out',
  })
  await redis.start()
  expect(await paidWhole(deployment, id)).toBe(count)
}, 180_000)
