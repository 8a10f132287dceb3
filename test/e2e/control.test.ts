import { Redis } from 'ioredis'
import { expect, inject, it } from 'vitest'
import { items, small } from '../support/catalog.ts'
import { startDeployment, type Deployment } from '../support/deployment.ts'
import { eventually } from '../support/eventually.ts'
import { freshNames } from '../support/fresh-names.ts'
import { startOwnRedis } from '../support/own-redis.ts'

const count = 120
const lockMs = 4000
const env = { WORKER_LOCK_MS: String(lockMs), WORKER_CONCURRENCY: '8', SWEEP_INTERVAL_MS: '1000' }

async function succeeded(deployment: Deployment, id: string, atLeast: number): Promise<void> {
  await eventually(async () => (await deployment.get(id)).request_counts.succeeded >= atLeast, {
    withinMs: 60_000,
    what: `${String(atLeast)} images`,
  })
}

/** Says it, and gives the time of its 200. */
async function said(deployment: Deployment, id: string, verb: string): Promise<number> {
  await deployment.say(id, verb)
  return Date.now()
}

async function callsBetween(deployment: Deployment, fromMs: number, untilMs: number): Promise<number[]> {
  const { calls } = await deployment.calls()
  return calls.map(({ at_ms }) => at_ms).filter((atMs) => atMs > fromMs && atMs < untilMs)
}

it('pauses within a second, stays paused through kills, restarts and a FLUSHALL, and goes on where it was', async () => {
  await using redis = await startOwnRedis()
  const { bucket, redisPrefix } = await freshNames(import.meta.filename)
  await using deployment = await startDeployment({
    redisUrl: redis.url,
    redisPrefix,
    s3: inject('s3'),
    bucket,
    workers: 1,
    latencyMs: 150,
    env,
  })
  const events = ['batch.paused', 'batch.resumed', 'batch.completed']
  const worker = await deployment.startWorker()
  const { id } = await deployment.submit({
    items: items(count),
    defaults: small,
    webhook: { url: deployment.sink.url, events },
  })
  await succeeded(deployment, id, count * 0.2)
  const pausedAt = await said(deployment, id, 'pause')
  expect(await deployment.get(id)).toMatchObject({ status: 'in_progress', blocked_by: { reason: 'paused' } })
  // Answered is not stored: what a kill cuts between the two is paid for again.
  await eventually(async () => (await deployment.get(id)).request_counts.in_progress === 0, {
    withinMs: 20_000,
    what: 'calls in flight to end and their images to be stored',
  })
  await eventually(() => deployment.sink.received.some(({ type }) => type === 'batch.paused'), {
    withinMs: 10_000,
    what: 'batch.paused',
  })

  worker.kill()
  await worker.ended
  const client = new Redis(redis.url)
  await client.flushall()
  await deployment.restartApi()
  await deployment.startWorker()
  const quietUntil = await eventually(
    async () => {
      const [key] = await client.keys('*:epoch')
      return key !== undefined && Number(await client.hget(key, 'quiet_until_ms'))
    },
    { withinMs: 30_000, what: 'the rebuild' },
  )
  client.disconnect()
  // A sweep and a feed later, nobody has called.
  await eventually(() => Date.now() > quietUntil + 1500, { withinMs: 30_000, what: 'the quiet time to be over' })
  const paused = await deployment.get(id)
  expect(paused).toMatchObject({ status: 'in_progress', blocked_by: { reason: 'paused' } })
  expect(paused.paused_at).toBe(paused.blocked_by?.since)
  const resumedAt = Date.now()
  await deployment.say(id, 'resume')

  const batch = await deployment.ended(id, 60_000)
  expect(batch).toMatchObject({ status: 'completed', paused_at: null, request_counts: { succeeded: count } })
  expect(await callsBetween(deployment, pausedAt + 1000, resumedAt)).toEqual([])
  expect((await deployment.calls()).paid).toBe(count)
  await eventually(() => deployment.sink.received.some(({ type }) => type === 'batch.completed'), {
    withinMs: 20_000,
    what: 'batch.completed',
  })
  const told = deployment.sink.received
  expect([...new Set(told.map(({ type }) => type))]).toEqual(events)
  expect(new Set(told.map(({ id: event }) => event)).size).toBe(3)
  const sequences = told.map(({ data }) => Number(data['sequence']))
  expect(sequences).toEqual([...sequences].sort((a, b) => a - b))
}, 120_000)

it('cancels within a second: what is in flight is kept and paid once, nothing else is called', async () => {
  const names = await freshNames(import.meta.filename)
  await using deployment = await startDeployment({
    redisUrl: inject('redisUrl'),
    s3: inject('s3'),
    ...names,
    workers: 2,
    latencyMs: 700,
    env,
  })
  const backingOff = items(8, 'A cup [[sim:500]]').map((item) => ({ ...item, custom_id: `cup-${item.custom_id}` }))
  const { id } = await deployment.submit({
    items: [...backingOff, ...items(count)],
    defaults: small,
    webhook: { url: deployment.sink.url },
  })
  await succeeded(deployment, id, 8)
  await eventually(async () => (await deployment.inFlight()) >= 8, { withinMs: 20_000, what: '8 calls in flight' })
  const cancelledAt = await said(deployment, id, 'cancel')
  const batch = await deployment.ended(id, 30_000)
  expect(batch.status).toBe('cancelled')
  const { succeeded: made, cancelled, failed } = batch.request_counts
  expect(made).toBeGreaterThan(8)
  expect(cancelled).toBeGreaterThan(count / 4)
  expect(made + cancelled + failed).toBe(count + 8)
  expect(await callsBetween(deployment, cancelledAt + 1000, Infinity)).toEqual([])
  const { paid, cost_usd } = await deployment.calls()
  expect(made).toBe(paid)
  expect(batch.usage).toMatchObject({ images: paid, cost_usd, indeterminate: 0 })
  expect(batch.budget).toMatchObject({ reserved_usd: '0.00', spent_usd: cost_usd })

  const lines = await deployment.results(id)
  expect(lines.map(({ custom_id }) => custom_id)).toEqual(
    [...backingOff, ...items(count)].map(({ custom_id }) => custom_id),
  )
  for (const { status, error } of lines.filter((line) => line.status === 'cancelled')) {
    expect([status, error?.code]).toEqual(['cancelled', 'batch_cancelled'])
  }
  await eventually(() => deployment.sink.received.length > 0, { withinMs: 20_000, what: 'the webhook' })
  expect(deployment.sink.received.map(({ type }) => type)).toEqual(['batch.cancelled'])
  expect((await deployment.say(id, 'cancel')).status).toBe('cancelled')
  expect((await deployment.request('POST', `/v1/batches/${id}/retry`)).status).toBe(409)
}, 90_000)

it('ends a batch that is cancelled while it is paused, with calls of a killed worker in it', async () => {
  const names = await freshNames(import.meta.filename)
  await using deployment = await startDeployment({
    redisUrl: inject('redisUrl'),
    s3: inject('s3'),
    ...names,
    workers: 0,
    latencyMs: 1500,
    env,
  })
  const worker = await deployment.startWorker()
  const { id } = await deployment.submit({ items: items(20), defaults: small })
  await eventually(async () => (await deployment.inFlight()) >= 4, { withinMs: 20_000, what: '4 calls in flight' })
  worker.kill()
  await worker.ended
  await deployment.say(id, 'pause')
  await deployment.startWorker()
  // Their jobs come again and are handed back: the batch is paused.
  await eventually(async () => (await deployment.get(id)).request_counts.in_progress === 0, {
    withinMs: 30_000,
    what: 'the items of the dead worker to wait',
  })
  const { total } = await deployment.calls()
  await deployment.say(id, 'cancel')
  const batch = await deployment.ended(id, 30_000)
  expect(batch).toMatchObject({
    status: 'cancelled',
    request_counts: { cancelled: 20 },
    budget: { reserved_usd: '0.00' },
  })
  expect(batch.usage.indeterminate).toBeGreaterThanOrEqual(4)
  expect((await deployment.calls()).total).toBe(total)
}, 90_000)

it('ends a batch that is cancelled while nobody may call, its items waiting for a closed lane', async () => {
  const names = await freshNames(import.meta.filename)
  await using deployment = await startDeployment({
    redisUrl: inject('redisUrl'),
    s3: inject('s3'),
    ...names,
    workers: 1,
    env: { ...env, WORKER_CONCURRENCY: '20' },
  })
  await deployment.simulate('POST', '/_sim/revoke', { key: 'rc_live_test0000000000' })
  const { id } = await deployment.submit({ items: items(40), defaults: small })
  await eventually(async () => (await deployment.get(id)).blocked_by?.reason === 'provider_auth', {
    withinMs: 30_000,
    what: 'the lane to close',
  })
  await deployment.say(id, 'cancel')
  const batch = await deployment.ended(id, 15_000)
  expect(batch).toMatchObject({ status: 'cancelled', request_counts: { cancelled: 40 }, usage: { provider_calls: 0 } })
}, 60_000)
