import { expect, inject, it } from 'vitest'
import { items, small } from '../support/catalog.ts'
import { startDeployment } from '../support/deployment.ts'
import { eventually } from '../support/eventually.ts'
import { freshNames } from '../support/fresh-names.ts'

const key = 'rc_live_test0000000000'

it('keeps every item while the key is refused, says why, and goes on by itself when it works again', async () => {
  const names = await freshNames(import.meta.filename)
  await using deployment = await startDeployment({
    redisUrl: inject('redisUrl'),
    s3: inject('s3'),
    ...names,
    workers: 2,
  })
  await deployment.simulate('POST', '/_sim/revoke', { key })
  const { id } = await deployment.submit({ items: items(40), defaults: small })
  const blocked = await eventually(
    async () => {
      const batch = await deployment.get(id)
      return batch.blocked_by?.reason === 'provider_auth' && batch
    },
    { withinMs: 30_000, what: 'the batch to say why it does not move' },
  )
  expect(blocked.blocked_by?.reason).toBe('provider_auth')
  expect(blocked.request_counts.failed).toBe(0)

  await deployment.simulate('POST', '/_sim/revoke', { key, revoked: false })
  const batch = await deployment.ended(id, 60_000)
  expect(batch.request_counts).toMatchObject({ succeeded: 40, failed: 0 })
  expect(batch.usage.provider_calls).toBe(40)
  expect((await deployment.calls()).paid).toBe(40)
  for (const { attempts } of await deployment.results(id)) expect(attempts).toBe(1)
}, 120_000)

it('closes the lane after ten transient failures in a row and loses no item to the outage', async () => {
  const names = await freshNames(import.meta.filename)
  await using deployment = await startDeployment({
    redisUrl: inject('redisUrl'),
    s3: inject('s3'),
    ...names,
    workers: 2,
  })
  await deployment.simulate('PUT', '/_sim/faults', { seed: 1, rules: [{ fault: '500', rate: 1 }] })
  const { id } = await deployment.submit({ items: items(40), defaults: small })
  await eventually(async () => (await deployment.get(id)).blocked_by?.reason === 'provider_down', {
    withinMs: 30_000,
    what: 'the batch to say that the provider is down',
  })
  await deployment.simulate('DELETE', '/_sim/faults', {})
  const batch = await deployment.ended(id, 90_000)
  expect(batch.request_counts).toMatchObject({ succeeded: 40, failed: 0 })
  expect((await deployment.calls()).paid).toBe(40)
}, 150_000)
