import { Redis } from 'ioredis'
import { expect, inject, it } from 'vitest'
import { itemId } from '../../src/shared/contract/ids.ts'
import { items, small } from '../support/catalog.ts'
import { startDeployment, type Deployment, type SeenBatch } from '../support/deployment.ts'
import { eventually } from '../support/eventually.ts'
import { freshNames } from '../support/fresh-names.ts'
import { startOwnRedis } from '../support/own-redis.ts'
import { openTestStore } from '../support/test-store.ts'

const env = { WORKER_LOCK_MS: '4000', WORKER_CONCURRENCY: '8', SWEEP_INTERVAL_MS: '1000' }

/** Items whose first calls come to nothing, so that a retry makes them. */
function failing(name: string, count: number, fault: string): { custom_id: string; prompt: string }[] {
  return Array.from({ length: count }, (_, at) => ({
    custom_id: `${name}-${String(at)}`,
    prompt: `A ${name} no. ${String(at)} [[sim:${fault}]]`,
  }))
}

/** What the usage says is what the provider has in its books. */
async function expectPaid(deployment: Deployment, batch: SeenBatch): Promise<void> {
  const { paid, cost_usd } = await deployment.calls()
  expect([batch.usage.cost_usd, batch.usage.images]).toEqual([cost_usd, batch.request_counts.succeeded])
  expect(batch.usage.provider_calls).toBeGreaterThanOrEqual(paid)
}

/** Paid calls by prompt. */
async function paidByPrompt(deployment: Deployment): Promise<Map<string, number>> {
  const paid = new Map<string, number>()
  for (const call of (await deployment.calls()).calls) {
    if (call.paid) paid.set(call.prompt, (paid.get(call.prompt) ?? 0) + 1)
  }
  return paid
}

it('runs failures again, by code and all, through a kill and a FLUSHALL, and never what succeeded', async () => {
  await using redis = await startOwnRedis()
  const { bucket, redisPrefix } = await freshNames(import.meta.filename)
  await using deployment = await startDeployment({
    redisUrl: redis.url,
    redisPrefix,
    s3: inject('s3'),
    bucket,
    workers: 1,
    latencyMs: 200,
    env,
  })
  const list = [
    ...items(12),
    ...failing('moderated', 4, 'moderate_in x1'),
    ...failing('spoiled', 20, 'zero_bytes x2'),
    ...failing('refused', 2, 'moderate_in'),
  ]
  const { id } = await deployment.submit({ items: list, defaults: small, webhook: { url: deployment.sink.url } })
  const first = await deployment.ended(id, 60_000)
  expect(first.request_counts).toMatchObject({ succeeded: 12, failed: 26 })
  await expectPaid(deployment, first)

  // While Redis still holds what ended.
  expect(await deployment.say(id, 'retry', { codes: ['content_moderated'] })).toMatchObject({
    retried: 6,
    status: 'in_progress',
  })
  const second = await deployment.ended(id, 60_000)
  expect(second.request_counts).toMatchObject({ succeeded: 16, failed: 22 })
  await expectPaid(deployment, second)

  const keys = (await deployment.calls()).calls.map((call) => call.idempotency_key)
  expect(new Set(keys).size).toBe(keys.length)

  // The only worker is killed in the middle of the round, and Redis loses all of it.
  const { paid } = await deployment.calls()
  const worker = await deployment.startWorker()
  expect(await deployment.say(id, 'retry')).toMatchObject({ retried: 22 })
  const client = new Redis(redis.url)
  await client.flushall()
  client.disconnect()
  await eventually(async () => (await deployment.calls()).paid > paid + 4, {
    withinMs: 60_000,
    what: 'the round that was lost to go on',
  })
  worker.kill()
  await worker.ended
  const third = await deployment.ended(id, 60_000)
  expect([third.status, third.request_counts.total]).toEqual(['completed', 38])
  expect(third.request_counts.succeeded).toBeGreaterThan(16)

  // Once more, for what was in flight at the kill.
  const left = third.request_counts.failed
  expect(left).toBeGreaterThanOrEqual(2)
  expect((await deployment.say(id, 'retry')) as SeenBatch & { retried: number }).toMatchObject({ retried: left })
  const last = await deployment.ended(id, 60_000)
  expect(last.request_counts).toMatchObject({ succeeded: 36, failed: 2 })

  const lines = await deployment.results(id)
  expect(lines.map(({ custom_id }) => custom_id)).toEqual(list.map(({ custom_id }) => custom_id))
  expect(lines.filter(({ status }) => status === 'failed').map(({ custom_id }) => custom_id)).toEqual([
    'refused-0',
    'refused-1',
  ])
  // What succeeded in one round was called in no later one.
  const paidCalls = await paidByPrompt(deployment)
  for (const { prompt } of list.slice(0, 16)) expect([prompt, paidCalls.get(prompt)]).toEqual([prompt, 1])
  expect((await deployment.calls()).paid).toBeLessThanOrEqual(12 + 4 + 20 * 3 + 8)

  await eventually(() => new Set(deployment.sink.received.map((event) => event.id)).size === 4, {
    withinMs: 30_000,
    what: 'four ends',
  })
  const told = deployment.sink.received
  expect([...new Set(told.map(({ type }) => type))]).toEqual(['batch.completed'])
  const sequenceOf = new Map(told.map(({ id: event, data }) => [event, Number(data['sequence'])]))
  const sequences = [...sequenceOf.values()]
  expect(sequences).toEqual([...sequences].sort((a, b) => a - b))
  expect(new Set(sequences).size).toBe(4)
}, 180_000)

it('finds the image of a failed item that is in the bucket, and pays nothing for it', async () => {
  const names = await freshNames(import.meta.filename)
  await using deployment = await startDeployment({
    redisUrl: inject('redisUrl'),
    s3: inject('s3'),
    ...names,
    workers: 1,
    env,
  })
  const { id } = await deployment.submit({ items: failing('cup', 2, 'moderate_in'), defaults: small })
  await deployment.ended(id, 30_000)
  // As a worker leaves it that was taken for dead and then stored its image.
  const store = openTestStore(names.bucket)
  await store.put(`images/default/${id}/cup-1.png`, 'pixels', {
    condition: 'absent',
    contentType: 'image/png',
    metadata: { item: itemId(id, 1), fingerprint: 'f', sha256: 'aa', width: '256', height: '256', 'cost-usd': '0.003' },
  })
  store.close()
  const called = (await deployment.calls()).total
  await deployment.say(id, 'retry', { codes: ['content_moderated'] })
  const batch = await deployment.ended(id, 30_000)
  expect(batch.request_counts).toMatchObject({ succeeded: 1, failed: 1 })
  expect((await deployment.results(id))[1]?.response?.body.data[0]).toMatchObject({ sha256: 'aa' })
  expect((await deployment.calls()).total).toBe(called)
}, 60_000)
