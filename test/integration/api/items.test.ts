import type { Queue } from 'bullmq'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { readItems } from '../../../src/shared/batch/items.ts'
import { itemId } from '../../../src/shared/contract/ids.ts'
import { generateJobId, generateQueue } from '../../../src/shared/queues/jobs.ts'
import { nothingToBook, putBack } from '../../../src/shared/batch/put-back.ts'
import { claimAndGrant, newHold } from '../../support/engine.ts'
import { startTestApi, type TestApi } from '../../support/api.ts'
import { items, small } from '../../support/catalog.ts'
import { openWorkedBatch, type WorkedBatch } from '../../support/worked-batch.ts'

let test: TestApi
beforeAll(async () => {
  test = await startTestApi(import.meta.filename)
})
afterAll(async () => {
  await test[Symbol.asyncDispose]()
})

interface SeenItem {
  id: string
  index: number
  custom_id: string
  status: string
  response: object | null
  error: { code: string } | null
  attempts: number
  cost_usd: string | null
  attempt_log: { at: number; class: string; status: number | null; duration_ms: number }[]
  next_attempt_at: number | null
}

interface Page {
  object: string
  data: SeenItem[]
  first_id: string | null
  last_id: string | null
  has_more: boolean
}

async function submit(count: number, more: object = {}): Promise<WorkedBatch> {
  const response = await test.submit({ items: items(count), defaults: small, ...more })
  if (response.status !== 202) throw new Error(await response.text())
  return await openWorkedBatch(test.parts, ((await response.json()) as { id: string }).id)
}

async function list({ id }: { id: string }, query = ''): Promise<Page> {
  const response = await test.send('GET', `/v1/batches/${id}/items${query}`)
  if (response.status !== 200) throw new Error(`${String(response.status)}: ${await response.text()}`)
  return (await response.json()) as Page
}

const indexes = (page: Page): number[] => page.data.map(({ index }) => index)

describe('GET /v1/batches/{id}/items', () => {
  it('shows every item in input order: settled ones with their outcome, the others where they stand', async () => {
    const batch = await submit(5)
    await batch.fed(4)
    await batch.settle([1], 'succeeded')
    await batch.settle([2], 'failed', 'content_moderated')
    const calling = newHold(batch.manifest, 3)
    await claimAndGrant(test.parts, calling)
    const page = await list(batch)
    expect(page).toMatchObject({
      object: 'list',
      first_id: itemId(batch.id, 0),
      last_id: itemId(batch.id, 4),
      has_more: false,
    })
    expect(page.data.map(({ status }) => status)).toEqual(['queued', 'succeeded', 'failed', 'in_progress', 'queued'])
    expect(page.data.map(({ custom_id }) => custom_id)).toEqual(['sku-0', 'sku-1', 'sku-2', 'sku-3', 'sku-4'])
    expect(page.data[0]).toEqual({
      id: itemId(batch.id, 0),
      index: 0,
      custom_id: 'sku-0',
      status: 'queued',
      response: null,
      error: null,
      attempts: 0,
      cost_usd: '0.00',
      attempt_log: [],
      next_attempt_at: null,
    })
    expect(page.data[1]).toMatchObject({ error: null, attempts: 1, cost_usd: '0.003', next_attempt_at: null })
    expect(page.data[2]).toMatchObject({ response: null, error: { code: 'content_moderated' } })
    for (const at of [1, 2]) {
      expect(page.data[at]?.attempt_log.at(-1)).toMatchObject({ at: 1_795_575_050, status: 200, duration_ms: 7 })
      expect(page.data[at]).not.toHaveProperty('round')
    }
  })

  it('tells of an item that backs off what was tried, what it cost, and when it comes again', async () => {
    const batch = await submit(2)
    await batch.fed(2)
    const { redis, keys, queues } = test.parts
    const hold = newHold(batch.manifest, 1)
    await claimAndGrant(test.parts, hold)
    const entry = { at: 1_795_575_050, class: 'transient', status: 500, duration_ms: 31 }
    await putBack(redis, keys, hold, { ...nothingToBook, calls: 1 }, false, entry)
    const queue: Queue = queues.get(generateQueue('standard'))
    const dueMs = Date.now() + 30_000
    await queue.add('generate', {}, { jobId: generateJobId(batch.id, 1, 1), delay: 30_000 })
    const [first, second] = (await list(batch)).data
    expect(first?.next_attempt_at).toBeNull()
    expect(second).toMatchObject({ status: 'queued', attempts: 1, cost_usd: '0.00', attempt_log: [entry] })
    expect(Math.abs((second?.next_attempt_at ?? 0) - dueMs / 1000)).toBeLessThan(3)
  })

  it('pages by after and limit, over the borders of chunks', async () => {
    const batch = await submit(1_203)
    expect(indexes(await list(batch))).toHaveLength(100)
    const seen: number[] = []
    let query = '?limit=401'
    for (;;) {
      const page = await list(batch, query)
      seen.push(...indexes(page))
      if (!page.has_more) break
      expect(page.last_id).toBe(page.data.at(-1)?.id)
      query = `?limit=401&after=${page.last_id ?? ''}`
    }
    expect(seen).toEqual(Array.from({ length: 1_203 }, (_, index) => index))
    expect(await list(batch, `?after=${itemId(batch.id, 1_202)}`)).toEqual({
      object: 'list',
      data: [],
      first_id: null,
      last_id: null,
      has_more: false,
    })
    const exact = await list(batch, `?limit=203&after=${itemId(batch.id, 999)}`)
    expect([exact.data.length, exact.has_more]).toEqual([203, false])
  })

  it('filters by status, code and custom_id, alone and together', async () => {
    const batch = await submit(1_100)
    await batch.settle([0, 600], 'succeeded')
    await batch.settle([1, 1_099], 'failed', 'content_moderated')
    await batch.settle([601], 'failed', 'provider_error')
    await claimAndGrant(test.parts, newHold(batch.manifest, 700))
    const found = async (query: string): Promise<number[]> => indexes(await list(batch, query))
    expect(await found('?status=succeeded')).toEqual([0, 600])
    expect(await found('?status=failed')).toEqual([1, 601, 1_099])
    expect(await found('?status=in_progress')).toEqual([700])
    expect(await found('?code=content_moderated')).toEqual([1, 1_099])
    expect(await found('?status=failed&code=provider_error')).toEqual([601])
    expect(await found('?status=succeeded&code=provider_error')).toEqual([])
    expect(await found('?custom_id=sku-777')).toEqual([777])
    expect(await found('?custom_id=sku-600&status=queued')).toEqual([])
    expect(await found('?custom_id=')).toEqual([])
    expect(await found(`?status=failed&after=${itemId(batch.id, 1)}`)).toEqual([601, 1_099])
    expect((await found('?status=queued&limit=1000')).length).toBe(1_000)

    const first = await list(batch, '?status=failed&limit=2')
    expect([indexes(first), first.has_more]).toEqual([[1, 601], true])
    const rest = await list(batch, `?status=failed&limit=2&after=${first.last_id ?? ''}`)
    expect([indexes(rest), rest.has_more]).toEqual([[1_099], false])
  })

  it('ends a page of a filter when it has looked for long enough, and says where to go on', async () => {
    const batch = await submit(4_100)
    let nowMs = 0
    const clock = { ...test.parts.clock, monotonic: () => (nowMs += 1_500) }
    const filter = { custom_id: 'sku-4099' }
    const page = await readItems({ ...test.parts, clock }, batch.manifest, { fromIndex: 0, limit: 10, filter })
    expect(page).toEqual({ data: [], goOnBehind: 3_999 })
    expect(indexes(await list(batch, `?custom_id=sku-4099&after=${itemId(batch.id, 3_999)}`))).toEqual([4_099])
  })

  it('shows what a cancellation closed at once, and the same when the batch has ended and Redis has let go', async () => {
    const batch = await submit(3)
    await batch.settle([1], 'succeeded')
    await test.send('POST', `/v1/batches/${batch.id}/cancel`)
    await batch.close()
    const page = await list(batch)
    expect(page.data.map(({ status, error }) => [status, error?.code])).toEqual([
      ['cancelled', 'batch_cancelled'],
      ['succeeded', undefined],
      ['cancelled', 'batch_cancelled'],
    ])
    await batch.finish()
    expect(await list(batch)).toEqual(page)
    await test.parts.redis.del(test.parts.keys.batch(batch.id).live)
    expect(await list(batch)).toEqual(page)
    expect(indexes(await list(batch, '?status=cancelled&code=batch_cancelled'))).toEqual([0, 2])
  })

  it('shows an item that goes round again as queued, and what came of it then', async () => {
    const batch = await submit(2)
    await batch.settle([0], 'succeeded')
    await batch.settle([1], 'failed')
    await batch.finish()
    await test.send('POST', `/v1/batches/${batch.id}/retry`)
    const [made, again] = (await list(batch)).data
    expect(made).toMatchObject({ status: 'succeeded', attempts: 1 })
    expect(again).toMatchObject({ status: 'queued', response: null, error: null, attempts: 0 })
    await (await openWorkedBatch(test.parts, batch.id, 2)).settle([1], 'succeeded')
    expect((await list(batch, '?status=succeeded')).data).toHaveLength(2)
  })

  it('answers from the ledger where Redis does not have the batch', async () => {
    const batch = await submit(2)
    await test.parts.redis.del(test.parts.keys.batch(batch.id).live)
    expect((await list(batch)).data.map(({ status }) => status)).toEqual(['queued', 'queued'])
  })

  it.each([
    ['limit=0', 'limit: out_of_range'],
    ['limit=1001', 'limit: out_of_range'],
    ['limit=ten', 'limit: invalid_type'],
    ['status=done', 'status: out_of_range'],
    ['code=teapot', 'code: out_of_range'],
    ['state=failed', 'state: unknown_field'],
    ['limit=1&limit=2', 'limit: invalid_format'],
  ])('refuses ?%s', async (query, fault) => {
    const { id } = await submit(1)
    const response = await test.send('GET', `/v1/batches/${id}/items?${query}`)
    expect(response.status).toBe(422)
    const { errors } = (await response.json()) as { errors: { param: string; code: string }[] }
    expect(errors.map(({ param, code }) => `${param}: ${code}`)).toEqual([fault])
  })

  it('is 404 for an unknown batch, and for an item behind which to go on that the batch does not have', async () => {
    const batch = await submit(1)
    const other = await submit(1)
    expect((await test.send('GET', '/v1/batches/batch_01ARZ3NDEKTSV4RRFFQ69G5FAV/items')).status).toBe(404)
    expect((await test.send('GET', '/v1/batches/x/items')).status).toBe(404)
    for (const after of [itemId(batch.id, 1), itemId(other.id, 0), 'item_x', '']) {
      const response = await test.send('GET', `/v1/batches/${batch.id}/items?after=${after}`)
      expect(response.status).toBe(404)
      expect(await response.json()).toMatchObject({ error: { code: 'not_found', param: 'after' } })
    }
  })
})
