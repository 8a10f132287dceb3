import { expect, inject, it } from 'vitest'
import { items, small } from '../support/catalog.ts'
import { startDeployment } from '../support/deployment.ts'
import { eventually } from '../support/eventually.ts'
import { freshNames } from '../support/fresh-names.ts'

it('ends what is in flight on SIGTERM, pays nothing twice, and leaves the rest to the next worker', async () => {
  const names = await freshNames(import.meta.filename)
  await using deployment = await startDeployment({
    redisUrl: inject('redisUrl'),
    s3: inject('s3'),
    ...names,
    workers: 0,
    latencyMs: 800,
    env: { WORKER_CONCURRENCY: '8' },
  })
  const first = await deployment.startWorker()
  const { id } = await deployment.submit({ items: items(40), defaults: small })
  await eventually(async () => (await deployment.inFlight()) >= 4, { withinMs: 20_000, what: 'calls in flight' })
  await first.stop()
  expect(await first.ended).toBe('ended with code 0')
  // Every call that was begun has its image, and none was begun afterwards.
  const { paid, total } = await deployment.calls()
  expect(total).toBe(paid)
  const between = await deployment.get(id)
  expect(between.request_counts).toMatchObject({ succeeded: paid, in_progress: 0, queued: 40 - paid })

  await deployment.startWorker()
  const batch = await deployment.ended(id, 60_000)
  expect(batch.request_counts.succeeded).toBe(40)
  expect((await deployment.calls()).paid).toBe(40)
}, 120_000)
