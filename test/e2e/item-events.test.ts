import { expect, inject, it } from 'vitest'
import { items, small } from '../support/catalog.ts'
import { startDeployment } from '../support/deployment.ts'
import { eventually } from '../support/eventually.ts'
import { freshNames } from '../support/fresh-names.ts'

it('tells of each item once, with its line and no link, where the webhook asks for it', async () => {
  const names = await freshNames(import.meta.filename)
  await using deployment = await startDeployment({
    redisUrl: inject('redisUrl'),
    s3: inject('s3'),
    ...names,
    workers: 1,
  })
  const { sink } = deployment
  const list = [...items(30), { custom_id: 'refused', prompt: 'A cup [[sim:moderate_in]]' }]
  const { id } = await deployment.submit({
    items: list,
    defaults: small,
    webhook: { url: sink.url, events: ['batch.completed', 'item.succeeded', 'item.failed'] },
  })
  await deployment.ended(id, 60_000)
  await eventually(() => new Set(sink.received.map((event) => event.id)).size === 32, {
    withinMs: 30_000,
    what: '31 items and an end',
  })
  expect(sink.received).toHaveLength(32)
  expect(sink.received.every(({ verified }) => verified)).toBe(true)
  const told = sink.received.filter(({ type }) => type.startsWith('item.'))
  expect(new Set(told.map(({ data }) => data['custom_id']))).toEqual(new Set(list.map(({ custom_id }) => custom_id)))
  expect(told.filter(({ type }) => type === 'item.failed').map(({ data }) => data['custom_id'])).toEqual(['refused'])
  expect(new Set(told.map(({ data }) => data['sequence'])).size).toBe(31)
  expect(JSON.stringify(told)).not.toContain('X-Amz-Signature')
}, 90_000)
