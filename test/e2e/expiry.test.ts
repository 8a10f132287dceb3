import { Redis } from 'ioredis'
import { expect, inject, it } from 'vitest'
import { items, small } from '../support/catalog.ts'
import { startDeployment } from '../support/deployment.ts'
import { eventually } from '../support/eventually.ts'
import { freshNames } from '../support/fresh-names.ts'

const count = 60

it('ends a batch whose window is over: what was made is kept, the rest expires, and nothing more is called', async () => {
  const names = await freshNames(import.meta.filename)
  await using deployment = await startDeployment({
    redisUrl: inject('redisUrl'),
    s3: inject('s3'),
    ...names,
    workers: 2,
    latencyMs: 400,
    env: { WORKER_CONCURRENCY: '4', SWEEP_INTERVAL_MS: '1000' },
  })
  const { id } = await deployment.submit({
    items: items(count),
    defaults: small,
    webhook: { url: deployment.sink.url },
  })
  await eventually(async () => (await deployment.get(id)).request_counts.succeeded >= 8, {
    withinMs: 30_000,
    what: '8 images',
  })
  // The shortest window is an hour: here it ends now, by the field that holds its end.
  const client = new Redis(inject('redisUrl'))
  await client.hset(`${names.redisPrefix}:live:${id}`, 'expires_at_ms', Date.now())
  client.disconnect()
  const batch = await deployment.ended(id, 30_000)
  const { succeeded, expired } = batch.request_counts
  expect([batch.status, succeeded + expired]).toEqual(['expired', count])
  expect(succeeded).toBeGreaterThanOrEqual(8)
  expect(expired).toBeGreaterThan(0)
  const { paid, cost_usd } = await deployment.calls()
  expect(paid).toBe(succeeded)
  expect(batch.usage).toMatchObject({ images: paid, provider_calls: paid, cost_usd })
  const lines = await deployment.results(id)
  expect(lines.map(({ custom_id }) => custom_id)).toEqual(items(count).map(({ custom_id }) => custom_id))
  expect(new Set(lines.map(({ status, error }) => `${status} ${error?.code ?? ''}`))).toEqual(
    new Set(['succeeded ', 'expired batch_expired']),
  )
  await eventually(() => deployment.sink.received.length > 0, { withinMs: 20_000, what: 'the webhook' })
  expect(deployment.sink.received[0]).toMatchObject({ type: 'batch.expired', data: { status: 'expired' } })
  for (const verb of ['cancel', 'pause', 'retry']) {
    expect((await deployment.request('POST', `/v1/batches/${id}/${verb}`)).status).toBe(409)
  }
}, 60_000)
