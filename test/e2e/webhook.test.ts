import { expect, inject, it } from 'vitest'
import { items, small } from '../support/catalog.ts'
import { startDeployment } from '../support/deployment.ts'
import { eventually } from '../support/eventually.ts'
import { freshNames } from '../support/fresh-names.ts'

it('delivers one event under one id until the receiver takes it, with the same bytes and a fresh signature', async () => {
  const names = await freshNames(import.meta.filename)
  await using deployment = await startDeployment({
    redisUrl: inject('redisUrl'),
    s3: inject('s3'),
    ...names,
    workers: 1,
    env: { WEBHOOK_RETRY_SCHEDULE_MS: '0,100,1100,100' },
  })
  const { sink } = deployment
  sink.answerNext(500, 302, 404)
  const { id } = await deployment.submit({ items: items(2), defaults: small, webhook: { url: sink.url } })
  await eventually(() => sink.received.length === 4, { withinMs: 60_000, what: 'four attempts' })
  expect(new Set(sink.received.map((attempt) => attempt.id)).size).toBe(1)
  expect(sink.received[0]?.id).toMatch(/^msg_[A-Za-z0-9]{26,}$/)
  expect(new Set(sink.received.map(({ body }) => body)).size).toBe(1)
  expect(sink.received.every(({ verified }) => verified)).toBe(true)
  expect(new Set(sink.received.map(({ headers }) => headers['webhook-timestamp'])).size).toBeGreaterThan(1)
  expect(JSON.parse(sink.received[0]?.body ?? '')).toMatchObject({
    type: 'batch.completed',
    timestamp: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/) as string,
    data: { id, object: 'batch', status: 'completed', sequence: expect.any(Number) as number },
  })
}, 90_000)

it('refuses a webhook where nothing could sign it, and a URL that it must not call', async () => {
  const names = await freshNames(import.meta.filename)
  await using deployment = await startDeployment({
    redisUrl: inject('redisUrl'),
    s3: inject('s3'),
    ...names,
    workers: 0,
    env: { WEBHOOK_ALLOW_PRIVATE: 'false' },
  })
  const submit = async (apiUrl: string, url: string): Promise<{ status: number; text: string }> => {
    const answer = await fetch(`${apiUrl}/v1/batches`, {
      method: 'POST',
      headers: { authorization: `Bearer ${deployment.key}`, 'content-type': 'application/json' },
      body: JSON.stringify({ items: items(1), defaults: small, webhook: { url } }),
    })
    return { status: answer.status, text: await answer.text() }
  }
  const inside = await submit(deployment.apiUrl, 'https://127.0.0.1/hook')
  expect(inside.status).toBe(422)
  expect(inside.text).toContain('WEBHOOK_ALLOW_PRIVATE')

  const unsigning = await deployment.startApi({ WEBHOOK_SECRET: '' })
  const unsigned = await submit(unsigning.ready, 'https://shop.example/hook')
  expect(unsigned.status).toBe(422)
  expect(unsigned.text).toContain('webhook_secret_missing')
  const list = (await (await deployment.request('GET', '/v1/batches')).json()) as { data: unknown[] }
  expect(list.data).toEqual([])
}, 60_000)
