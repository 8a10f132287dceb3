import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { readControl } from '../../../src/shared/ledger/control.ts'
import { removeMarker } from '../../../src/shared/ledger/markers.ts'
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

interface Seen {
  id: string
  name: string | null
  status: string
  paused_at: number | null
  completed_at: number | null
  cancelling_at: number | null
  cancelled_at: number | null
  has_errors: boolean
  request_counts: Record<string, number>
  usage: { images: number; provider_calls: number; cost_usd: string }
  budget: { limit_usd: string | null; spent_usd: string }
  metadata: Record<string, string>
  retried?: number
}

const unknownId = 'batch_01ARZ3NDEKTSV4RRFFQ69G5FAV'

async function submit(count: number, more: object = {}): Promise<WorkedBatch> {
  const response = await test.submit({ items: items(count), defaults: small, ...more })
  if (response.status !== 202) throw new Error(await response.text())
  return await openWorkedBatch(test.parts, ((await response.json()) as { id: string }).id)
}

async function say(batch: { id: string }, verb: string, body?: object): Promise<Seen> {
  const response = await test.send('POST', `/v1/batches/${batch.id}/${verb}`, body)
  if (response.status !== 200) throw new Error(`${String(response.status)}: ${await response.text()}`)
  return (await response.json()) as Seen
}

async function patch(batch: { id: string }, body: object): Promise<Seen> {
  const response = await test.send('PATCH', `/v1/batches/${batch.id}`, body)
  if (response.status !== 200) throw new Error(`${String(response.status)}: ${await response.text()}`)
  return (await response.json()) as Seen
}

async function get(batch: { id: string }): Promise<Seen> {
  return (await (await test.send('GET', `/v1/batches/${batch.id}`)).json()) as Seen
}

async function refusal(
  method: string,
  path: string,
  body?: unknown,
  headers?: Record<string, string>,
): Promise<object> {
  const response = await test.send(method, path, body, headers)
  const { detail, error, errors } = (await response.json()) as {
    detail: string
    error: { code: string; param: string | null }
    errors?: { param: string; code: string }[]
  }
  return { status: response.status, detail, ...error, errors: errors?.map(({ param, code }) => `${param}: ${code}`) }
}

const versionOf = async ({ id }: WorkedBatch): Promise<number> => (await readControl(test.parts.store, id)).version

describe('POST /v1/batches/{id}/pause and /resume', () => {
  it('pauses and resumes, each once however often it is said', async () => {
    const batch = await submit(3)
    const paused = await say(batch, 'pause')
    expect(paused).toMatchObject({ id: batch.id, status: 'in_progress', blocked_by: { reason: 'paused' } })
    expect(paused.paused_at).toBeGreaterThan(1_700_000_000)
    expect((await say(batch, 'pause', {})).paused_at).toBe(paused.paused_at)
    expect(await versionOf(batch)).toBe(1)
    expect(await say(batch, 'resume')).toMatchObject({ paused_at: null })
    expect(await say(batch, 'resume')).toMatchObject({ paused_at: null })
    expect(await versionOf(batch)).toBe(2)
  })

  it('is in the ledger: a batch that Redis has lost is still paused', async () => {
    const batch = await submit(2)
    await say(batch, 'pause')
    await test.parts.redis.del(test.parts.keys.batch(batch.id).live)
    expect((await get(batch)).paused_at).toBeGreaterThan(0)
    // Said where Redis does not have the batch, it is kept as well.
    expect((await say(batch, 'resume')).paused_at).toBeNull()
    expect(await test.parts.redis.zscore(test.parts.keys.pendingControl, batch.id)).not.toBeNull()
  })

  it('leaves nothing on the list of what is pending', async () => {
    const batch = await submit(1)
    await say(batch, 'pause')
    await Promise.all([say(batch, 'resume'), say(batch, 'pause'), patch(batch, { name: 'Autumn' })])
    expect(await test.parts.redis.zscore(test.parts.keys.pendingControl, batch.id)).toBeNull()
  })

  it('loses no word of many that are said at once', async () => {
    const batch = await submit(1)
    const names = Array.from({ length: 6 }, (_, at) => `name ${String(at)}`)
    await Promise.all([...names.map((name) => patch(batch, { name })), say(batch, 'pause')])
    expect(await versionOf(batch)).toBe(7)
    const control = await readControl(test.parts.store, batch.id)
    expect(await get(batch)).toMatchObject({ name: control.name, paused_at: expect.any(Number) as number })
  })
})

describe('POST /v1/batches/{id}/cancel', () => {
  it('closes what waits and keeps what was made; said again it is 200, also when it has ended', async () => {
    const batch = await submit(4)
    await batch.settle([1], 'succeeded')
    expect(await say(batch, 'cancel')).toMatchObject({ status: 'cancelling', request_counts: { succeeded: 1 } })
    expect((await say(batch, 'cancel')).cancelling_at).toBeGreaterThan(0)
    await batch.close()
    await batch.finish()
    const counts = { total: 4, succeeded: 1, completed: 1, cancelled: 3, queued: 0, in_progress: 0, failed: 0 }
    expect(await say(batch, 'cancel')).toMatchObject({ status: 'cancelled', request_counts: counts, has_errors: false })
    await test.parts.redis.del(test.parts.keys.batch(batch.id).live)
    expect(await say(batch, 'cancel')).toMatchObject({ status: 'cancelled', request_counts: counts })

    const lines = (await (await test.send('GET', `/v1/batches/${batch.id}/results`)).text()).trim().split('\n')
    expect(lines.map((line) => (JSON.parse(line) as { status: string }).status)).toEqual([
      'cancelled',
      'succeeded',
      'cancelled',
      'cancelled',
    ])
    expect(JSON.parse(lines[0] ?? '')).toMatchObject({
      response: null,
      error: { code: 'batch_cancelled', retryable: true },
      attempts: 0,
      cost_usd: '0.00',
    })
    const list = (await (await test.send('GET', '/v1/batches?status=cancelled')).json()) as { data: Seen[] }
    expect(list.data.map(({ id }) => id)).toContain(batch.id)
  })

  it('holds for a batch whose last item was just settled, and comes too late for one whose end is written', async () => {
    const batch = await submit(1)
    await batch.settle([0], 'succeeded')
    expect((await get(batch)).status).toBe('finalizing')
    expect((await say(batch, 'cancel')).status).toBe('cancelling')
    await batch.finish()
    expect(await get(batch)).toMatchObject({ status: 'cancelled', request_counts: { succeeded: 1 } })

    const late = await submit(1)
    await late.settle([0], 'succeeded')
    await late.finish()
    expect(await refusal('POST', `/v1/batches/${late.id}/cancel`)).toMatchObject({
      status: 409,
      code: 'conflict',
      detail: 'The batch has ended: it is completed.',
    })
  })
})

describe('PATCH /v1/batches/{id}', () => {
  it('changes name, metadata and budget, each only where it is given', async () => {
    const batch = await submit(2, { name: 'Autumn', metadata: { shop: '1', season: 'autumn' } })
    expect(await patch(batch, { name: 'Winter' })).toMatchObject({ name: 'Winter', metadata: { shop: '1' } })
    expect(await patch(batch, { metadata: { shop: '2' } })).toMatchObject({ name: 'Winter', metadata: { shop: '2' } })
    expect((await patch(batch, { budget_usd: '1.50' })).budget.limit_usd).toBe('1.50')
    expect((await patch(batch, { budget_usd: 0.003 })).budget.limit_usd).toBe('0.003')
    expect(await versionOf(batch)).toBe(4)
    expect(await patch(batch, { name: null, metadata: null })).toMatchObject({
      name: 'Winter',
      metadata: { shop: '2' },
    })
    expect(await patch(batch, {})).toMatchObject({ name: 'Winter' })
    expect(await versionOf(batch)).toBe(4)

    const found = await test.send('GET', '/v1/batches?metadata[shop]=2')
    expect(((await found.json()) as { data: Seen[] }).data.map(({ id }) => id)).toEqual([batch.id])
  })

  it('keeps the new name when the batch has ended', async () => {
    const batch = await submit(1)
    await patch(batch, { name: 'Winter' })
    await batch.settle([0], 'succeeded')
    await batch.finish()
    await test.parts.redis.del(test.parts.keys.batch(batch.id).live)
    expect(await get(batch)).toMatchObject({ name: 'Winter', status: 'completed' })
  })

  it.each([
    [{ budget_usd: -1 }, 'budget_usd: out_of_range'],
    [{ budget_usd: '1e3' }, 'budget_usd: invalid_format'],
    [{ budget_usd: '0.0000000001' }, 'budget_usd: invalid_format'],
    [{ budget_usd: 1e15 }, 'budget_usd: out_of_range'],
    [{ budget_usd: true }, 'budget_usd: invalid_type'],
    [{ name: ' ' }, 'name: too_short'],
    [{ name: 'a'.repeat(201) }, 'name: too_long'],
    [{ metadata: { a: 1 } }, 'metadata.a: invalid_type'],
    [{ priority: 'bulk' }, 'priority: unknown_field'],
  ])('refuses %j', async (body, fault) => {
    const batch = await submit(1)
    expect(await refusal('PATCH', `/v1/batches/${batch.id}`, body)).toMatchObject({ status: 422, errors: [fault] })
    expect(await versionOf(batch)).toBe(0)
  })

  it('refuses a budget that could not be held, since a price is not known', async () => {
    const batch = await submit(1, { defaults: { model: 'acme/painter-9' } })
    expect(await refusal('PATCH', `/v1/batches/${batch.id}`, { budget_usd: 1 })).toMatchObject({
      status: 422,
      errors: ['budget_usd: unsupported'],
      detail: 'budget_usd cannot be held: the price of acme/painter-9 is not known',
    })
  })

  it('refuses an empty body', async () => {
    const batch = await submit(1)
    expect(await refusal('PATCH', `/v1/batches/${batch.id}`)).toMatchObject({ status: 400, code: 'invalid_json' })
  })
})

describe('POST /v1/batches/{id}/retry', () => {
  async function completed(failed: Record<number, 'provider_error' | 'content_moderated'>, count = 4) {
    const batch = await submit(count)
    for (let index = 0; index < count; index += 1) {
      const code = failed[index]
      await (code === undefined ? batch.settle([index], 'succeeded') : batch.settle([index], 'failed', code))
    }
    await batch.finish()
    return batch
  }

  it('opens the failed items again, and ends once more with a line an item', async () => {
    const batch = await completed({ 1: 'provider_error', 3: 'content_moderated' })
    const before = await get(batch)
    expect(before).toMatchObject({ status: 'completed', has_errors: true, usage: { images: 2, provider_calls: 2 } })
    const retried = await say(batch, 'retry')
    expect(retried).toMatchObject({
      retried: 2,
      status: 'in_progress',
      completed_at: null,
      has_errors: false,
      request_counts: { total: 4, succeeded: 2, failed: 0, queued: 2 },
      usage: before.usage,
    })
    expect(await refusal('POST', `/v1/batches/${batch.id}/retry`)).toMatchObject({
      status: 409,
      detail: 'The batch has not ended yet.',
    })
    const list = (await (await test.send('GET', '/v1/batches?limit=1')).json()) as { data: Seen[] }
    expect(list.data[0]).toMatchObject({ id: batch.id, status: 'in_progress' })

    const second = await openWorkedBatch(test.parts, batch.id, 2)
    await second.settle([1], 'succeeded')
    await second.settle([3], 'failed', 'provider_error')
    await second.finish()
    expect(await get(batch)).toMatchObject({
      status: 'completed',
      has_errors: true,
      request_counts: { succeeded: 3, failed: 1 },
      usage: { images: 3, provider_calls: 3, cost_usd: '0.009' },
    })
    const text = await (await test.send('GET', `/v1/batches/${batch.id}/results`)).text()
    expect(text.trim().split('\n')).toHaveLength(4)
    const again = await say(batch, 'retry')
    expect(again.retried).toBe(1)
  })

  it('takes only the failures of the codes that are named, and changes nothing where there are none', async () => {
    const batch = await completed({ 0: 'provider_error', 1: 'content_moderated', 2: 'content_moderated' })
    expect(await say(batch, 'retry', { codes: ['outcome_unknown'] })).toMatchObject({ retried: 0, status: 'completed' })
    expect(await versionOf(batch)).toBe(0)
    expect(await say(batch, 'retry', { codes: ['content_moderated', 'content_moderated'] })).toMatchObject({
      retried: 2,
      request_counts: { failed: 1, queued: 2, succeeded: 1 },
    })
  })

  it('runs nothing again of a batch without failures', async () => {
    const batch = await completed({}, 2)
    expect(await say(batch, 'retry')).toMatchObject({ retried: 0, status: 'completed' })
  })

  it('does so once where it is asked for twice at the same time', async () => {
    const batch = await completed({ 0: 'provider_error' })
    const path = `/v1/batches/${batch.id}/retry`
    const answers = await Promise.all(Array.from({ length: 4 }, () => test.send('POST', path)))
    expect(answers.map(({ status }) => status).filter((status) => status !== 200 && status !== 409)).toEqual([])
    expect((await readControl(test.parts.store, batch.id)).round).toBe(2)
    expect(await get(batch)).toMatchObject({ request_counts: { queued: 1, succeeded: 3 } })
  })

  it('forgets a pause and a cancellation that came too late for the round before', async () => {
    const batch = await submit(1)
    await batch.settle([0], 'failed')
    await say(batch, 'pause')
    await batch.finish()
    expect(await get(batch)).toMatchObject({ status: 'completed', paused_at: null })
    expect((await refusal('POST', `/v1/batches/${batch.id}/cancel`)) as { status: number }).toMatchObject({
      status: 409,
    })
    expect(await say(batch, 'retry')).toMatchObject({ status: 'in_progress', paused_at: null, cancelling_at: null })
  })

  it('is refused for what was cancelled and what has not ended', async () => {
    const batch = await submit(2)
    const path = `/v1/batches/${batch.id}/retry`
    expect(await refusal('POST', path)).toMatchObject({ status: 409, detail: 'The batch has not ended yet.' })
    await batch.settle([0], 'failed')
    await say(batch, 'cancel')
    await batch.close()
    await batch.finish()
    expect(await refusal('POST', path)).toMatchObject({ status: 409, detail: 'The batch is cancelled.' })
  })

  it('tells of the end of the round before where nobody has yet', async () => {
    const batch = await completed({ 0: 'provider_error' })
    const { redis, keys, store } = test.parts
    // As if Redis had lost it between the summary and the event.
    await redis.del(keys.batch(batch.id).live)
    await redis.srem(keys.undelivered, `${batch.id}.1`)
    await say(batch, 'retry')
    expect(await redis.sismember(keys.undelivered, `${batch.id}.1`)).toBe(1)

    const told = await completed({ 0: 'provider_error' })
    await removeMarker(store, told.id, 1)
    await redis.srem(keys.undelivered, `${told.id}.1`)
    await say(told, 'retry')
    expect(await redis.sismember(keys.undelivered, `${told.id}.1`)).toBe(0)
  })

  it.each([
    [{ codes: [] }, 'codes: too_short'],
    [{ codes: ['teapot'] }, 'codes[0]: out_of_range'],
    [{ codes: 'provider_error' }, 'codes: invalid_type'],
    [{ code: ['provider_error'] }, 'code: unknown_field'],
  ])('refuses %j', async (body, fault) => {
    const batch = await submit(1)
    expect(await refusal('POST', `/v1/batches/${batch.id}/retry`, body)).toMatchObject({ status: 422, errors: [fault] })
  })

  it('refuses an Idempotency-Key, which it would not keep', async () => {
    const batch = await submit(1)
    const headers = { 'idempotency-key': 'again' }
    expect(await refusal('POST', `/v1/batches/${batch.id}/retry`, undefined, headers)).toMatchObject({
      status: 422,
      errors: ['Idempotency-Key: unsupported'],
    })
  })
})

describe('every verb', () => {
  const verbs = [
    ['POST', 'cancel'],
    ['POST', 'pause'],
    ['POST', 'resume'],
    ['POST', 'retry'],
    ['PATCH', ''],
  ] as const
  const pathOf = (id: string, verb: string): string => `/v1/batches/${id}${verb === '' ? '' : `/${verb}`}`

  it.each(verbs)('%s %s is 404 for an unknown batch and for what is no id', async (method, verb) => {
    for (const id of [unknownId, 'x']) {
      expect(await refusal(method, pathOf(id, verb), {})).toMatchObject({
        status: 404,
        detail: 'There is no batch of this id.',
      })
    }
  })

  it.each(verbs)('%s %s knows no query, no other field, and no other kind of body', async (method, verb) => {
    const { id } = await submit(1)
    const path = pathOf(id, verb)
    expect(await refusal(method, `${path}?force=true`, {})).toMatchObject({
      status: 422,
      errors: ['force: unknown_field'],
    })
    expect(await refusal(method, path, { force: true })).toMatchObject({
      status: 422,
      errors: ['force: unknown_field'],
    })
    expect(await refusal(method, path, '[]')).toMatchObject({ status: 422 })
    expect(await refusal(method, path, '{')).toMatchObject({ status: 400, code: 'invalid_json' })
    expect(await refusal(method, path, 'a=b', { 'content-type': 'application/x-www-form-urlencoded' })).toMatchObject({
      status: 415,
    })
    expect(await refusal(method, path, {}, { authorization: 'Bearer nobody' })).toMatchObject({ status: 401 })
  })

  it.each(verbs.filter(([, verb]) => verb !== 'retry'))(
    '%s %s is 409 for a batch that completed',
    async (method, verb) => {
      const batch = await submit(1)
      await batch.settle([0], 'succeeded')
      await batch.finish()
      expect(await refusal(method, pathOf(batch.id, verb), {})).toMatchObject({
        status: 409,
        detail: 'The batch has ended: it is completed.',
      })
    },
  )
})
