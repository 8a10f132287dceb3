import { expect, inject, it } from 'vitest'
import { items, small } from '../support/catalog.ts'
import { startDeployment } from '../support/deployment.ts'
import { freshNames } from '../support/fresh-names.ts'

it('lets a small batch through beside a large one: by the provider’s record its calls come early', async () => {
  const names = await freshNames(import.meta.filename)
  await using deployment = await startDeployment({
    redisUrl: inject('redisUrl'),
    s3: inject('s3'),
    ...names,
    workers: 1,
    latencyMs: 50,
    env: { WORKER_CONCURRENCY: '4' },
  })
  const large = await deployment.submit({ items: items(600, 'A large catalog'), defaults: small })
  const small10 = await deployment.submit({ items: items(10, 'A small one'), defaults: small })
  const after = (await deployment.calls()).total
  await deployment.ended(small10.id, 60_000)
  const { calls } = await deployment.calls()
  const order = calls.map(({ prompt }) => prompt.startsWith('A small one'))
  const last = order.lastIndexOf(true)
  // What was in the window before it came, and then every other one at worst.
  expect(last - after).toBeLessThan(150)
  expect((await deployment.get(large.id)).request_counts.queued).toBeGreaterThan(300)
}, 120_000)
