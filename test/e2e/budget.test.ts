import { expect, inject, it } from 'vitest'
import { items, small } from '../support/catalog.ts'
import { startDeployment } from '../support/deployment.ts'
import { eventually } from '../support/eventually.ts'
import { freshNames } from '../support/fresh-names.ts'

/** CRATEWORK_TEST_ITEMS asks for another size: the acceptance run takes 1,000. */
const count = Number(process.env['CRATEWORK_TEST_ITEMS'] ?? 300)
const images = 100
const priceUsd = 0.003
const env = { WORKER_CONCURRENCY: '64', WORKER_LOCK_MS: '4000', SWEEP_INTERVAL_MS: '1000' }

it('pays for no image over a budget of exactly 100, through two kills with 64 in flight, says so, and goes on', async () => {
  const names = await freshNames(import.meta.filename)
  await using deployment = await startDeployment({
    redisUrl: inject('redisUrl'),
    s3: inject('s3'),
    ...names,
    workers: 0,
    latencyMs: 400,
    env,
  })
  const { sink } = deployment
  const { id } = await deployment.submit({
    items: items(count),
    defaults: small,
    budget_usd: images * priceUsd,
    webhook: { url: sink.url, events: ['budget.threshold_reached', 'batch.completed'] },
  })
  let inFlight = 0
  let worker = await deployment.startWorker()
  for (const kill of [1, 2]) {
    const held = await eventually(
      async () => {
        const { in_progress } = (await deployment.get(id)).request_counts
        return in_progress >= 16 && in_progress
      },
      { withinMs: 30_000, what: `calls in flight before kill ${String(kill)}` },
    )
    expect(held).toBeLessThanOrEqual(64)
    worker.kill()
    await worker.ended
    inFlight += (await deployment.get(id)).request_counts.in_progress
    worker = await deployment.startWorker()
  }

  const stopped = await eventually(
    async () => {
      const batch = await deployment.get(id)
      return batch.blocked_by?.reason === 'budget' && batch
    },
    { withinMs: 60_000, what: 'the batch to say that its budget is spent' },
  )
  expect(stopped).toMatchObject({ status: 'in_progress', request_counts: { in_progress: 0 } })
  expect(stopped.blocked_by?.detail).toContain('raise budget_usd')
  expect(stopped.budget).toEqual({ limit_usd: '0.30', reserved_usd: '0.00', spent_usd: '0.30' })
  const atRest = await deployment.calls()
  expect(atRest.paid).toBeLessThanOrEqual(images + inFlight)
  expect(stopped.usage.provider_calls).toBe(images)
  // What was cut before it arrived was booked all the same, so there may have been fewer.
  expect(atRest.paid).toBeLessThanOrEqual(images)
  await eventually(() => sink.received.length > 0, { withinMs: 20_000, what: 'the event' })
  expect(sink.received[0]).toMatchObject({
    type: 'budget.threshold_reached',
    data: { id, budget: { limit_usd: '0.30' } },
  })
  for (let look = 0; look < 50; look += 1) expect((await deployment.calls()).total).toBe(atRest.total)

  await deployment.change(id, { budget_usd: '100' })
  const batch = await deployment.ended(id, 60_000)
  const { succeeded, failed } = batch.request_counts
  expect([batch.status, succeeded + failed]).toEqual(['completed', count])
  const lines = await deployment.results(id)
  for (const { error } of lines.filter((line) => line.error !== null)) expect(error?.code).toBe('outcome_unknown')
  const { paid } = await deployment.calls()
  expect(paid).toBeLessThanOrEqual(count + inFlight)
  expect(batch.usage.provider_calls).toBeGreaterThanOrEqual(paid)
  expect(batch.budget.reserved_usd).toBe('0.00')
  expect(batch.usage.cost_usd).toBe(batch.budget.spent_usd)
  expect(Number(batch.usage.cost_usd)).toBeCloseTo(batch.usage.provider_calls * priceUsd, 9)
  await eventually(() => sink.received.some(({ type }) => type === 'batch.completed'), {
    withinMs: 20_000,
    what: 'the end to be told',
  })
  expect(new Set(sink.received.map((event) => event.id)).size).toBe(2)
}, 150_000)

it('takes a call that came to nothing out of the budget again, and goes on by itself', async () => {
  const names = await freshNames(import.meta.filename)
  await using deployment = await startDeployment({
    redisUrl: inject('redisUrl'),
    s3: inject('s3'),
    ...names,
    workers: 0,
    latencyMs: 300,
    env,
  })
  // All that the budget has is reserved for calls that are refused at first; the last item finds no room until then.
  const refused = items(5, 'A cup [[sim:moderate_in]]').map((item) => ({ ...item, custom_id: `cup-${item.custom_id}` }))
  const { id } = await deployment.submit({ items: [...refused, ...items(6)], defaults: small, budget_usd: '0.018' })
  await deployment.startWorker()
  const batch = await deployment.ended(id, 60_000)
  expect(batch.request_counts).toMatchObject({ succeeded: 6, failed: 5 })
  expect(batch.budget).toEqual({ limit_usd: '0.018', reserved_usd: '0.00', spent_usd: '0.018' })
  expect((await deployment.calls()).paid).toBe(6)
}, 90_000)
