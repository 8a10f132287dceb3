import { createHash } from 'node:crypto'
import { expect, inject, it } from 'vitest'
import { items, small } from '../support/catalog.ts'
import { startDeployment } from '../support/deployment.ts'
import { eventually } from '../support/eventually.ts'
import { secondsSince, tellFigures } from '../support/figures.ts'
import { freshNames } from '../support/fresh-names.ts'

/** CRATEWORK_TEST_ITEMS asks for another size: the acceptance run takes 2,000. */
const count = Number(process.env['CRATEWORK_TEST_ITEMS'] ?? 600)

it('makes every image once, counts that add up at every read, lines in input order, one webhook', async () => {
  const names = await freshNames(import.meta.filename)
  await using deployment = await startDeployment({
    redisUrl: inject('redisUrl'),
    s3: inject('s3'),
    ...names,
    workers: 2,
  })
  const startedMs = performance.now()
  const submitted = await deployment.submit({
    items: items(count),
    defaults: small,
    metadata: { season: 'autumn' },
    webhook: { url: deployment.sink.url },
  })
  expect(submitted.status).toBe('in_progress')

  const seen: string[] = []
  const batch = await deployment.ended(submitted.id, 100_000, ({ status }) => seen.push(status))
  const seconds = secondsSince(startedMs)
  expect(seen).toContain('in_progress')
  expect(batch.request_counts).toMatchObject({ total: count, succeeded: count, completed: count, failed: 0, queued: 0 })
  expect(batch.has_errors).toBe(false)
  expect(batch.usage).toMatchObject({ images: count, provider_calls: count, indeterminate: 0 })

  const calls = await deployment.calls()
  expect(calls.paid).toBe(count)
  expect(calls.total).toBe(count)
  expect(Number(batch.usage.cost_usd)).toBe(Number(calls.cost_usd))

  const lines = await deployment.results(batch.id)
  expect(lines.map(({ custom_id }) => custom_id)).toEqual(items(count).map(({ custom_id }) => custom_id))
  expect(
    new Set(lines.map(({ status, attempts, cost_usd }) => `${status} ${String(attempts)} ${String(cost_usd)}`)),
  ).toEqual(new Set(['succeeded 1 0.003']))
  const output = lines[7]?.response?.body.data[0]
  const bytes = Buffer.from(await (await fetch(output?.url ?? '')).arrayBuffer())
  expect(createHash('sha256').update(bytes).digest('hex')).toBe(output?.sha256)

  const told = await eventually(() => deployment.sink.received.length > 0 && deployment.sink.received, {
    withinMs: 20_000,
    what: 'the webhook',
  })
  expect(told).toHaveLength(1)
  expect(told[0]).toMatchObject({
    type: 'batch.completed',
    verified: true,
    data: { id: batch.id, status: 'completed', metadata: { season: 'autumn' }, request_counts: { succeeded: count } },
  })
  tellFigures({
    items: count,
    'seconds from submit to end': seconds,
    'items a second': Math.round(count / seconds),
    'reads with counts that add up': seen.length,
    'paid calls': calls.paid,
    'result lines in input order': lines.length,
    'batch.completed received': told.length,
  })
}, 120_000)
