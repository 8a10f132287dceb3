import { describe, expect, inject, it } from 'vitest'
import { readManifest } from '../../../src/shared/ledger/manifest.ts'
import { startTestApi, type TestApi } from '../../support/api.ts'
import { items, small } from '../../support/catalog.ts'
import { eventually } from '../../support/eventually.ts'
import { startRedisInBetween } from '../../support/redis-in-between.ts'
import { startS3InBetween, type Fate, type S3InBetween } from '../../support/s3-in-between.ts'

const nobody = '127.0.0.1:1'
const batch = { items: items(1_200), defaults: small }

async function timed(call: Promise<Response>): Promise<{ response: Response; tookMs: number }> {
  const startedMs = performance.now()
  const response = await call
  return { response, tookMs: performance.now() - startedMs }
}

/** What a 503 must be, and in time. */
const unavailable = { status: 503, code: 'unavailable', saysWhenToRetry: true, saysNothingInternal: true, inTime: true }

async function answerOf(call: Promise<Response>, withinMs: number): Promise<typeof unavailable> {
  const { response, tookMs } = await timed(call)
  const text = await response.text()
  return {
    status: response.status,
    code: (JSON.parse(text) as { error: { code: string } }).error.code,
    saysWhenToRetry: Number(response.headers.get('retry-after')) > 0,
    saysNothingInternal: !/ECONN|127\.0\.0\.1|SlowDown|storage_closed/.test(text),
    inTime: tookMs < withinMs,
  }
}

describe('with Redis away as the request arrives', () => {
  it('a batch is refused with 503 within 2 s, and nothing is kept', async () => {
    await using test = await startTestApi(import.meta.filename, { env: { REDIS_URL: `redis://${nobody}` } })
    expect(await answerOf(test.submit(batch), 2_000)).toEqual(unavailable)
    expect((await test.parts.store.list('')).keys).toEqual([])
    expect((await test.send('GET', '/livez')).status).toBe(200)
    expect((await test.send('GET', '/readyz')).status).toBe(503)
  })

  it('what only needs the ledger is still answered', async () => {
    await using test = await startTestApi(import.meta.filename, { env: { REDIS_URL: `redis://${nobody}` } })
    expect((await test.send('GET', '/v1/batches')).status).toBe(200)
    expect((await test.send('GET', '/v1/batches/batch_01ARZ3NDEKTSV4RRFFQ69G5FAV')).status).toBe(404)
  })
})

describe('with a Redis that hangs', () => {
  it('as the request arrives, a batch is refused with 503 within 2 s, and nothing is kept', async () => {
    await using redis = await startRedisInBetween(inject('redisUrl'))
    await using test = await startTestApi(import.meta.filename, { env: { REDIS_URL: redis.url } })
    await eventually(() => test.parts.redis.status === 'ready', { what: 'the connection to Redis' })
    redis.hang()
    expect(await answerOf(test.submit(batch), 2_000)).toEqual(unavailable)
    expect((await test.parts.store.list('')).keys).toEqual([])
  })

  it('once the manifest stands, the batch is accepted all the same', async () => {
    await using redis = await startRedisInBetween(inject('redisUrl'))
    await using s3 = await startS3InBetween(inject('s3').endpoint)
    const env = { REDIS_URL: redis.url, S3_ENDPOINT: s3.endpoint }
    await using test = await startTestApi(import.meta.filename, { env })
    await eventually(() => test.parts.redis.status === 'ready', { what: 'the connection to Redis' })
    s3.fate = (_, path) => {
      if (path.endsWith('manifest.json')) redis.hang()
      return 'pass'
    }
    const { response, tookMs } = await timed(test.submit(batch))
    expect(response.status).toBe(202)
    expect(tookMs).toBeLessThan(6_000)
  })
})

describe('with S3 away as the request arrives', () => {
  it('everything that needs it is 503 within 2 s', async () => {
    await using test = await startTestApi(import.meta.filename, { env: { S3_ENDPOINT: `http://${nobody}` } })
    expect(await answerOf(test.submit(batch), 2_000)).toEqual(unavailable)
    expect(await answerOf(test.send('GET', '/v1/batches'), 2_000)).toEqual(unavailable)
    expect(await answerOf(test.send('GET', '/v1/batches/batch_01ARZ3NDEKTSV4RRFFQ69G5FAV'), 2_000)).toEqual(unavailable)
    expect(await answerOf(test.send('GET', '/v1/batches/batch_01ARZ3NDEKTSV4RRFFQ69G5FAV/results'), 2_000)).toEqual(
      unavailable,
    )
  })

  it('also where it takes the connection and says nothing', async () => {
    await using s3 = await startS3InBetween(inject('s3').endpoint)
    await using test = await startTestApi(import.meta.filename, { env: { S3_ENDPOINT: s3.endpoint } })
    s3.fate = () => 'hang'
    expect(await answerOf(test.submit(batch), 2_000)).toEqual(unavailable)
    expect(await answerOf(test.send('GET', '/v1/batches'), 2_000)).toEqual(unavailable)
  })
})

describe('with S3 failing in the middle', () => {
  async function withS3(run: (test: TestApi, s3: S3InBetween) => Promise<void>): Promise<void> {
    await using s3 = await startS3InBetween(inject('s3').endpoint)
    await using test = await startTestApi(import.meta.filename, { env: { S3_ENDPOINT: s3.endpoint } })
    await run(test, s3)
  }
  const when =
    (method: string, part: RegExp, fate: Fate) =>
    (called: string, path: string): Fate =>
      called === method && part.test(path) ? fate : 'pass'

  it('a batch whose input cannot be written is 503, and nothing remains', async () => {
    await withS3(async (test, s3) => {
      s3.fate = when('PUT', /000001\.jsonl$/, 'refuse')
      expect(await answerOf(test.submit(batch), 15_000)).toEqual(unavailable)
      await eventually(async () => (await test.parts.store.list('')).keys.length === 0, { what: 'an empty bucket' })
      expect(s3.calls.some((call) => call.endsWith('manifest.json'))).toBe(false)
    })
  })

  it('writes marker, input, manifest and listing in this order', async () => {
    await withS3(async (test, s3) => {
      expect((await test.submit(batch)).status).toBe(202)
      const kinds = s3.calls
        .filter((call) => call.startsWith('PUT'))
        .map((call) => /(live|input|manifest|index)/.exec(call)?.[1])
      expect(kinds).toEqual(['live', 'input', 'input', 'input', 'manifest', 'index'])
    })
  })

  it('a batch whose manifest stands is accepted, although the answer to its write was lost', async () => {
    await withS3(async (test, s3) => {
      s3.fate = when('PUT', /manifest\.json$/, 'lose the answer')
      const response = await test.submit(batch)
      expect(response.status).toBe(202)
      const { id } = (await response.json()) as { id: string }
      expect((await test.send('GET', `/v1/batches/${id}`)).status).toBe(200)
    })
  })

  it('also where the store cannot tell that it is its own', async () => {
    await withS3(async (test, s3) => {
      s3.fate = (method, path) => {
        if (!path.endsWith('manifest.json')) return 'pass'
        if (method === 'PUT') return 'lose the answer'
        return method === 'HEAD' ? 'refuse' : 'pass'
      }
      expect((await test.submit(batch)).status).toBe(202)
    })
  })

  it('a batch whose manifest was never written is 503, and its input stays for the sweep', async () => {
    await withS3(async (test, s3) => {
      s3.fate = when('PUT', /manifest\.json$/, 'refuse')
      expect(await answerOf(test.submit(batch), 15_000)).toEqual(unavailable)
      const { keys } = await test.parts.store.list('')
      expect(keys.map((key) => key.split('/')[0])).toEqual(['batches', 'batches', 'batches', 'live'])
    })
  })

  it('a batch is accepted once its manifest stands, whatever listing and Redis say', async () => {
    await withS3(async (test, s3) => {
      s3.fate = (method, path) => {
        if (method === 'PUT' && path.endsWith('manifest.json')) {
          // From now on nothing else works.
          test.parts.redis.disconnect()
          s3.fate = when('PUT', /\/index\//, 'hang')
        }
        return 'pass'
      }
      const { response, tookMs } = await timed(test.submit(batch))
      expect(response.status).toBe(202)
      expect(tookMs).toBeLessThan(6_000)
      const { id } = (await response.json()) as { id: string }
      expect(await readManifest(test.parts.store, id)).toMatchObject({ batch: id, total: 1_200 })
    })
  })
})
