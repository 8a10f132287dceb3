import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { listListings } from '../../../src/shared/ledger/listing.ts'
import { listMarkers } from '../../../src/shared/ledger/markers.ts'
import { readInputChunk } from '../../../src/shared/ledger/chunks.ts'
import { readManifest } from '../../../src/shared/ledger/manifest.ts'
import { startTestApi, type TestApi } from '../../support/api.ts'
import { items, small } from '../../support/catalog.ts'

let test: TestApi
beforeAll(async () => {
  test = await startTestApi(import.meta.filename, {
    env: { WEBHOOK_SECRET: `whsec_${Buffer.alloc(32, 1).toString('base64')}` },
  })
})
afterAll(async () => {
  await test[Symbol.asyncDispose]()
})

interface Seen {
  id: string
  name: string | null
  status: string
  request_counts: { total: number; queued: number }
  warnings: unknown[]
  metadata: Record<string, string>
}

async function submitted(body: object): Promise<Seen> {
  const response = await test.submit(body)
  if (response.status !== 202) throw new Error(await response.text())
  return (await response.json()) as Seen
}

async function allOf<T>(source: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = []
  for await (const one of source) all.push(one)
  return all
}

/** All keys in the bucket. */
async function keysInBucket(): Promise<string[]> {
  return (await test.parts.store.list('')).keys
}

describe('POST /v1/batches', () => {
  it('answers 202 with the batch object and where it is', async () => {
    const response = await test.submit({ items: items(3), defaults: small, name: 'Autumn', metadata: { shop: '1' } })
    expect(response.status).toBe(202)
    const batch = (await response.json()) as Seen
    expect(response.headers.get('location')).toBe(`/v1/batches/${batch.id}`)
    expect(response.headers.get('content-type')).toBe('application/json')
    expect(batch).toMatchObject({
      id: expect.stringMatching(/^batch_[0-9A-Z]{26}$/),
      object: 'batch',
      endpoint: '/v1/images/generations',
      name: 'Autumn',
      status: 'in_progress',
      request_counts: { total: 3, queued: 3, completed: 0, failed: 0 },
      metadata: { shop: '1' },
      usage: { cost_usd: '0.00' },
      errors: null,
      warnings: [],
    })
    expect(await (await test.send('GET', `/v1/batches/${batch.id}`)).json()).toMatchObject({
      ...batch,
      blocked_by: { reason: 'no_workers' },
    })
  })

  it('has input and manifest in S3 before the answer is sent', async () => {
    const response = await test.submit({
      items: items(1_001),
      defaults: { ...small, guidance: 3 },
      output: { key: 'shop/{{custom_id}}.{{ext}}', overwrite: 'never', cache_control: 'max-age=60' },
      priority: 'bulk',
      max_attempts: 3,
      webhook: { url: 'https://shop.example.com/hook' },
      budget_usd: '12.5',
      completion_window: '24h',
    })
    const answer = await response.text()
    const { id } = JSON.parse(answer) as Seen
    const { store } = test.parts
    const manifest = await readManifest(store, id)
    expect(manifest).toMatchObject({
      v: 1,
      batch: id,
      tenant: 'default',
      body_hash: expect.stringMatching(/^[0-9a-f]{64}$/),
      total: 1_001,
      chunks: 3,
      answer,
      options: {
        name: null,
        priority: 'bulk',
        overwrite: 'never',
        shared_keys: true,
        max_attempts: 3,
        webhook: { url: 'https://shop.example.com/hook' },
        metadata: {},
        cache_control: 'max-age=60',
        budget_nano: 12_500_000_000,
        expires_at_ms: (manifest?.created_at_ms ?? 0) + 24 * 3_600_000,
      },
      warnings: [{ code: 'parameter_not_taken', param: 'guidance', count: 1_001, example: 'sku-0' }],
    })
    const attempt = manifest?.attempt ?? ''
    const chunks = await Promise.all([0, 1, 2].map((chunk) => readInputChunk(store, { batch: id, attempt, chunk })))
    expect(chunks.map((chunk) => chunk.length)).toEqual([500, 500, 1])
    expect(chunks.flat().map(({ index }) => index)).toEqual(Array.from({ length: 1_001 }, (_, at) => at))
    expect(chunks[2]?.[0]).toMatchObject({
      index: 1_000,
      custom_id: 'sku-1000',
      prompt: 'A shoe on white, no. 1000',
      parameters: { width: 256, height: 256, guidance: 3 },
      key: 'shop/sku-1000.{{ext}}',
      price_nano: 3_000_000,
    })
    expect(await allOf(listMarkers(store))).toContainEqual({ batch: id, round: 1 })
    const listed = await allOf(listListings(store, 'default'))
    expect(listed.map(({ batch }) => batch)).toContain(id)
  })

  it('knows that an item’s own key may be that of another batch too', async () => {
    const sharedKeys = async (item: object): Promise<boolean | undefined> => {
      const { id } = await submitted({ items: [{ prompt: 'x', ...small, ...item }] })
      return (await readManifest(test.parts.store, id))?.options.shared_keys
    }
    expect(await sharedKeys({})).toBe(false)
    expect(await sharedKeys({ output_key: 'own.png' })).toBe(true)
  })

  it('brings the batch into Redis with its event, and asks for a feed of its priority', async () => {
    const { id } = await submitted({ items: items(2), defaults: small, priority: 'interactive' })
    const { redis, keys, queues } = test.parts
    expect(await redis.hget(keys.batch(id).live, 'total')).toBe('2')
    const events = await redis.xrange(keys.events, '-', '+')
    expect(events.map(([, fields]) => fields)).toContainEqual(expect.arrayContaining(['batch.in_progress', id]))
    const triggers = await queues.get('batch').getJobs()
    expect(triggers.map((job) => job.data as unknown)).toContainEqual({ v: 1, kind: 'feed', priority: 'interactive' })
  })

  it('takes a gzipped body, and the line of an OpenAI batch for an item', async () => {
    const { custom_id, ...body } = { custom_id: 'a', prompt: 'A shoe', ...small }
    const batch = { items: [{ custom_id, method: 'POST', url: '/v1/images/generations', body }] }
    const zipped = new Blob([JSON.stringify(batch)]).stream().pipeThrough(new CompressionStream('gzip'))
    const response = await fetch(`${test.api.url}/v1/batches`, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${test.key}`,
        'content-type': 'application/json; charset="UTF-8"',
        'content-encoding': 'gzip',
      },
      body: zipped,
      duplex: 'half',
    })
    expect(response.status).toBe(202)
  })

  it.each<[string, object, object]>([
    ['no items', { items: [] }, { code: 'too_short', param: 'items' }],
    ['items missing', { name: 'x' }, { code: 'missing', param: 'items' }],
    ['no prompt', { items: [{ model: 'a/b' }] }, { code: 'invalid_item', param: 'items[0].prompt' }],
    ['a bad model', { items: [{ prompt: 'x', model: 'gpt' }] }, { code: 'invalid_item', param: 'items[0].model' }],
    ['n of 2', { items: [{ prompt: 'x', model: 'a/b', n: 2 }] }, { code: 'unsupported', param: 'items[0].n' }],
    ['an input file', { input_file_id: 'file_1' }, { code: 'unsupported', param: 'input_file_id' }],
    ['a dry run', { items: items(1), defaults: small, dry_run: true }, { code: 'unsupported', param: 'dry_run' }],
    [
      'a budget over what has no price',
      { items: items(1), defaults: { model: 'a/b' }, budget_usd: 1 },
      { code: 'unsupported', param: 'items[0].model' },
    ],
    ['an unknown option', { items: items(1), defaults: small, x: 1 }, { code: 'unknown_field', param: 'x' }],
    [
      'a template without an end',
      { items: items(1), defaults: small, template: '{{x' },
      { code: 'invalid_template', param: 'template' },
    ],
    [
      'a webhook on http',
      { items: items(1), defaults: small, webhook: { url: 'http://shop.example.com' } },
      { code: 'invalid_format', param: 'webhook.url' },
    ],
    [
      'a webhook on a private address',
      { items: items(1), defaults: small, webhook: { url: 'https://10.0.0.1/' } },
      { code: 'invalid_format', param: 'webhook.url' },
    ],
  ])('refuses %s whole, and keeps nothing', async (_, body, error) => {
    const before = await keysInBucket()
    const response = await test.submit(body)
    expect(response.status).toBe(422)
    expect(response.headers.get('content-type')).toBe('application/problem+json')
    const problem = (await response.json()) as { error: object; request_id: string; errors: object[] }
    expect(problem.error).toMatchObject({ type: 'invalid_request_error', ...error })
    expect(problem.errors).not.toEqual([])
    expect(problem.request_id).toBe(response.headers.get('x-request-id'))
    expect(await keysInBucket()).toEqual(before)
  })

  it('names one bad item among ten thousand, and keeps nothing', async () => {
    const before = await keysInBucket()
    const many = items(10_000)
    const bad = { custom_id: 'sku-0', prompt: '' }
    const response = await test.submit({ items: [...many.slice(0, 9_000), bad, ...many.slice(9_001)], defaults: small })
    expect(response.status).toBe(422)
    expect(await response.json()).toMatchObject({
      error: { code: 'invalid_item', param: 'items[9000].prompt' },
      errors: [{ line: 9_001, index: 9_000, custom_id: 'sku-0', param: 'prompt', code: 'too_short' }],
    })
    expect(await keysInBucket()).toEqual(before)
  })

  it('says which variable would allow a webhook that is refused', async () => {
    const response = await test.submit({
      items: items(1),
      defaults: small,
      webhook: { url: 'http://shop.example.com' },
    })
    expect(((await response.json()) as { detail: string }).detail).toContain('WEBHOOK_ALLOW_HTTP')
  })

  it('knows no query parameter', async () => {
    const response = await test.send('POST', '/v1/batches?dry_run=true', { items: items(1), defaults: small })
    expect(response.status).toBe(422)
    expect(await response.json()).toMatchObject({ error: { code: 'unknown_field', param: 'dry_run' } })
  })

  it('keeps prototypes clean', async () => {
    const body = `{"items":[{"prompt":"x","model":"a/b","__proto__":{"admin":true}}],"constructor":{"prototype":{"admin":true}}}`
    expect((await test.send('POST', '/v1/batches', body)).status).toBe(422)
    const item = `{"items":[{"prompt":"x","model":"a/b","__proto__":{"admin":true}}]}`
    expect(await (await test.send('POST', '/v1/batches', item)).json()).toMatchObject({
      errors: [{ param: '__proto__', code: 'unknown_field' }],
    })
    expect(Reflect.get({}, 'admin')).toBeUndefined()
  })
})

it('refuses a webhook with its own code where nothing signs deliveries', async () => {
  await using unsigned = await startTestApi(import.meta.filename)
  const response = await unsigned.submit({
    items: items(1),
    defaults: small,
    webhook: { url: 'https://shop.example.com' },
  })
  expect(response.status).toBe(422)
  expect(await response.json()).toMatchObject({ error: { code: 'webhook_secret_missing', param: 'webhook' } })
})

describe('GET /v1/batches/{id}', () => {
  it('answers alike for an unknown id and for what is no id at all', async () => {
    const ids = ['batch_01ARZ3NDEKTSV4RRFFQ69G5FAV', 'batch_x', '..%2f..%2fetc', '1', 'x'.repeat(10_000)]
    const answers = await Promise.all(
      ids.map(async (id) => {
        const response = await test.send('GET', `/v1/batches/${id}`)
        const { request_id: _, ...body } = (await response.json()) as { request_id: string }
        return { status: response.status, body }
      }),
    )
    expect(answers[0]).toMatchObject({ status: 404, body: { error: { code: 'not_found' } } })
    expect(new Set(answers.map((answer) => JSON.stringify(answer))).size).toBe(1)
  })

  it('knows no query parameter', async () => {
    expect((await test.send('GET', '/v1/batches/batch_01ARZ3NDEKTSV4RRFFQ69G5FAV?expand=items')).status).toBe(422)
  })
})

describe('GET /v1/batches', () => {
  interface List {
    object: string
    data: Seen[]
    first_id: string | null
    last_id: string | null
    has_more: boolean
  }
  let lister: TestApi
  const made: string[] = []
  beforeAll(async () => {
    lister = await startTestApi(import.meta.filename)
    for (const label of ['a', 'b', 'a']) {
      const body = { items: items(1), defaults: small, metadata: { label, shop: '1' } }
      const { id } = (await (await lister.submit(body)).json()) as Seen
      made.unshift(id)
      // Ids are as fine as a millisecond: within one, their order is chance.
      await lister.parts.clock.sleep(2)
    }
  })
  afterAll(async () => {
    await lister[Symbol.asyncDispose]()
  })

  async function list(query: string): Promise<List> {
    const response = await lister.send('GET', `/v1/batches${query}`)
    if (response.status !== 200) throw new Error(await response.text())
    return (await response.json()) as List
  }

  it('gives the newest first, page by page', async () => {
    const whole = await list('')
    expect(whole).toMatchObject({ object: 'list', first_id: made[0], last_id: made[2], has_more: false })
    expect(whole.data.map(({ id }) => id)).toEqual(made)
    const first = await list('?limit=2')
    expect(first).toMatchObject({ first_id: made[0], last_id: made[1], has_more: true })
    const second = await list(`?limit=2&after=${made[1] ?? ''}`)
    expect(second).toMatchObject({ first_id: made[2], last_id: made[2], has_more: false })
    expect(await list(`?after=${made[2] ?? ''}`)).toEqual({
      object: 'list',
      data: [],
      first_id: null,
      last_id: null,
      has_more: false,
    })
  })

  it('shows what status and metadata ask for', async () => {
    const labelled = await list('?metadata[label]=a&metadata[shop]=1')
    expect(labelled.data.map(({ id }) => id)).toEqual([made[0], made[2]])
    expect((await list('?status=in_progress')).data).toHaveLength(3)
    expect((await list('?status=completed')).data).toEqual([])
  })

  it('answers 404 for an after that is unknown, and 422 for what no list knows', async () => {
    for (const after of ['batch_01ARZ3NDEKTSV4RRFFQ69G5FAV', 'x', '']) {
      expect((await lister.send('GET', `/v1/batches?after=${after}`)).status).toBe(404)
    }
    for (const query of ['limit=0', 'limit=101', 'status=done', 'page=2', 'limit=1&limit=2']) {
      expect((await lister.send('GET', `/v1/batches?${query}`)).status).toBe(422)
    }
  })
})
