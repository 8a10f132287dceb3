import { expect, inject, it } from 'vitest'
import { items, small } from '../support/catalog.ts'
import { startDeployment } from '../support/deployment.ts'
import { eventually } from '../support/eventually.ts'
import { freshNames } from '../support/fresh-names.ts'

it('a worker that was stopped in mid call pays, uploads over and settles nothing when it wakes up', async () => {
  const names = await freshNames(import.meta.filename)
  await using deployment = await startDeployment({
    redisUrl: inject('redisUrl'),
    s3: inject('s3'),
    ...names,
    workers: 0,
    latencyMs: 600,
    env: { WORKER_LOCK_MS: '3000', WORKER_CONCURRENCY: '6', SWEEP_INTERVAL_MS: '1000' },
  })
  const sleeper = await deployment.startWorker()
  const { id } = await deployment.submit({ items: items(20), defaults: small, webhook: { url: deployment.sink.url } })
  await eventually(async () => (await deployment.inFlight()) >= 3, { withinMs: 20_000, what: 'calls in flight' })
  process.kill(sleeper.pid, 'SIGSTOP')
  const open = await deployment.inFlight()
  await deployment.startWorker()
  const batch = await deployment.ended(id, 60_000)
  expect(batch.request_counts.succeeded + batch.request_counts.failed).toBe(20)
  const before = await deployment.calls()
  const lines = await deployment.results(id)
  expect(before.paid).toBeLessThanOrEqual(20 + open)

  process.kill(sleeper.pid, 'SIGCONT')
  // Awake, it ends what it had in hand and can be stopped in order: then all that it would do is done.
  await sleeper.stop()
  expect(await sleeper.ended).toBe('ended with code 0')
  expect((await deployment.calls()).total).toBe(before.total)
  const sha256 = (list: typeof lines): (string | undefined)[] =>
    list.map(({ response }) => response?.body.data[0]?.sha256)
  expect(sha256(await deployment.results(id))).toEqual(sha256(lines))
  expect((await deployment.get(id)).usage).toEqual(batch.usage)
  await eventually(() => deployment.sink.received.length > 0, { withinMs: 20_000, what: 'the webhook' })
  expect(new Set(deployment.sink.received.map((event) => event.id)).size).toBe(1)
}, 120_000)
