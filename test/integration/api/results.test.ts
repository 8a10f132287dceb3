import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { readBatchObject } from '../../../src/shared/batch/view.ts'
import { itemId } from '../../../src/shared/contract/ids.ts'
import type { StoredResultLine } from '../../../src/shared/contract/result.ts'
import { mergeResultChunk } from '../../../src/shared/ledger/chunks.ts'
import { outputPath } from '../../../src/shared/ledger/paths.ts'
import { writeSummary } from '../../../src/shared/ledger/summary.ts'
import { startTestApi, type TestApi } from '../../support/api.ts'
import { items, small } from '../../support/catalog.ts'

let test: TestApi
beforeAll(async () => {
  test = await startTestApi(import.meta.filename)
})
afterAll(async () => {
  await test[Symbol.asyncDispose]()
})

interface SeenLine {
  id: string
  custom_id: string
  status: string
  response: { body: { data: { url: string; s3_key: string }[] } } | null
  error: object | null
}

async function newBatch(count: number): Promise<string> {
  const response = await test.submit({ items: items(count), defaults: small })
  return ((await response.json()) as { id: string }).id
}

function line(batch: string, index: number): StoredResultLine {
  const path = outputPath('default', `${batch}/sku-${String(index)}.png`)
  return {
    id: itemId(batch, index),
    custom_id: `sku-${String(index)}`,
    status: 'succeeded',
    response: {
      status_code: 200,
      request_id: 'req_x',
      body: {
        created: 1,
        data: [
          {
            s3_key: test.parts.store.fullKey(path),
            sha256: 'x',
            bytes: 4,
            width: 256,
            height: 256,
            content_type: 'image/png',
            variants: [],
          },
        ],
      },
    },
    error: null,
    attempts: 1,
    cost_usd: '0.003',
    round: 1,
    attempt_log: [],
  }
}

/** Ends a batch as the worker leaves it: all in the ledger, nothing in Redis. */
async function end(batch: string, count: number): Promise<void> {
  const { store, redis, keys } = test.parts
  const lines = Array.from({ length: count }, (_, index) => line(batch, index))
  for (let chunk = 0; chunk * 500 < count; chunk += 1) {
    await mergeResultChunk(store, batch, chunk, lines.slice(chunk * 500, chunk * 500 + 500))
  }
  const seen = await readBatchObject(test.parts, 'default', batch)
  if (seen === undefined) throw new Error('no batch')
  await writeSummary(store, { v: 1, round: 1, sequence: 2, batch: { ...seen, status: 'completed', blocked_by: null } })
  await redis.del(keys.batch(batch).live)
}

async function results(batch: string, query = ''): Promise<SeenLine[]> {
  const response = await test.send('GET', `/v1/batches/${batch}/results${query}`)
  expect(response.status).toBe(200)
  expect(response.headers.get('content-type')).toBe('application/x-ndjson')
  const text = await response.text()
  expect(text === '' || text.endsWith('\n')).toBe(true)
  return text
    .split('\n')
    .filter((part) => part !== '')
    .map((part) => JSON.parse(part) as SeenLine)
}

describe('GET /v1/batches/{id}/results', () => {
  it('gives a line an item in input order, each with a link to its output', async () => {
    const batch = await newBatch(3)
    await test.parts.store.put(outputPath('default', `${batch}/sku-0.png`), 'four', {
      condition: 'absent',
      contentType: 'image/png',
    })
    await end(batch, 3)
    const lines = await results(batch)
    expect(lines.map(({ custom_id }) => custom_id)).toEqual(['sku-0', 'sku-1', 'sku-2'])
    expect(lines[0]).not.toHaveProperty('round')
    const image = lines[0]?.response?.body.data[0]
    expect(image?.s3_key).toBe(`images/default/${batch}/sku-0.png`)
    expect(await (await fetch(image?.url ?? '')).text()).toBe('four')
  })

  it('gives those settled so far while the batch runs', async () => {
    const batch = await newBatch(3)
    expect(await results(batch)).toEqual([])
    await mergeResultChunk(test.parts.store, batch, 0, [line(batch, 1)])
    expect((await results(batch)).map(({ custom_id }) => custom_id)).toEqual(['sku-1'])
  })

  it('goes on behind an item, once the batch has ended', async () => {
    const batch = await newBatch(3)
    const refused = await test.send('GET', `/v1/batches/${batch}/results?after=${itemId(batch, 0)}`)
    expect(refused.status).toBe(409)
    expect(await refused.json()).toMatchObject({ error: { code: 'not_ended', param: 'after' } })
    await end(batch, 3)
    expect((await results(batch, `?after=${itemId(batch, 0)}`)).map(({ custom_id }) => custom_id)).toEqual([
      'sku-1',
      'sku-2',
    ])
    expect(await results(batch, `?after=${itemId(batch, 2)}`)).toEqual([])
    for (const after of [itemId(batch, 3), itemId(await newBatch(1), 0), 'item_x', '']) {
      expect((await test.send('GET', `/v1/batches/${batch}/results?after=${after}`)).status).toBe(404)
    }
  })

  it('streams thousands of lines, and bears a reader that leaves', async () => {
    const batch = await newBatch(2_000)
    await end(batch, 2_000)
    const leaving = await test.send('GET', `/v1/batches/${batch}/results`)
    await leaving.body?.cancel()
    const lines = await results(batch)
    expect(lines.map(({ custom_id }) => custom_id)).toEqual(
      Array.from({ length: 2_000 }, (_, at) => `sku-${String(at)}`),
    )
  })

  it('answers HEAD without reading everything, 404 for an unknown batch, and knows only after', async () => {
    const batch = await newBatch(1)
    const head = await test.send('HEAD', `/v1/batches/${batch}/results`)
    expect(head.status).toBe(200)
    expect(head.headers.get('content-type')).toBe('application/x-ndjson')
    expect((await test.send('GET', '/v1/batches/batch_01ARZ3NDEKTSV4RRFFQ69G5FAV/results')).status).toBe(404)
    expect((await test.send('GET', `/v1/batches/${batch}/results?limit=1`)).status).toBe(422)
  })
})
