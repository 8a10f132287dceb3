import { createHash } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import { abandonBatch } from '../../../src/shared/ledger/manifest.ts'
import { startTestApi, type TestApi } from '../../support/api.ts'
import { items, small } from '../../support/catalog.ts'
import { eventually } from '../../support/eventually.ts'
import { startS3InBetween } from '../../support/s3-in-between.ts'
import { ndjson, upload } from '../../support/upload.ts'

let one: TestApi
let other: TestApi
beforeAll(async () => {
  one = await startTestApi(import.meta.filename)
  const { redisPrefix, s3 } = one.parts.config
  other = await startTestApi(import.meta.filename, { env: { REDIS_PREFIX: redisPrefix, S3_BUCKET: s3.bucket } })
})
afterAll(async () => {
  await other[Symbol.asyncDispose]()
  await one[Symbol.asyncDispose]()
})

let made = 0
function newKey(): string {
  made += 1
  return `nightly run, no. ${String(made)}`
}

const body = { items: items(3), defaults: small }

function submit(api: TestApi, key: string, sent: object | string = body, path = '/v1/batches'): Promise<Response> {
  return api.send('POST', path, sent, { 'idempotency-key': key })
}

interface Answer {
  status: number
  replayed: string | null
  location: string | null
  text: string
}

async function answerOf(call: Promise<Response>): Promise<Answer> {
  const response = await call
  return {
    status: response.status,
    replayed: response.headers.get('idempotent-replayed'),
    location: response.headers.get('location'),
    text: await response.text(),
  }
}

function codeOf({ status, text }: Answer): [number, string] {
  return [status, (JSON.parse(text) as { error: { code: string } }).error.code]
}

async function batches(): Promise<string[]> {
  const ids: string[] = []
  for (const key of (await one.parts.store.list('live/')).keys) ids.push(key)
  return ids
}

describe('an Idempotency-Key', () => {
  it('gives the first answer again, byte for byte, from any process, also after the loss of Redis', async () => {
    const key = newKey()
    const before = await batches()
    const first = await answerOf(submit(one, key))
    expect(first).toMatchObject({ status: 202, replayed: null })
    const { redis, keys } = one.parts
    for (const name of await redis.keys(`${keys.prefix}:*`)) await redis.del(name)
    for (const api of [one, other]) {
      expect(await answerOf(submit(api, key))).toEqual({ ...first, replayed: 'true' })
    }
    expect(await batches()).toHaveLength(before.length + 1)
  })

  it('is not for another body, type or query', async () => {
    const key = newKey()
    const lines = ndjson(items(3))
    const options = { defaults: small, name: 'a' }
    const send = (type: 'application/x-ndjson' | 'text/csv', sent: string, name = 'a', more = {}): Promise<Answer> =>
      answerOf(
        upload(other, type, sent, { options: { ...options, name }, headers: { 'idempotency-key': key, ...more } }),
      )
    expect((await send('application/x-ndjson', lines)).status).toBe(202)
    expect(await send('application/x-ndjson', lines)).toMatchObject({ status: 202, replayed: 'true' })
    const type = { 'content-type': 'application/x-ndjson; charset=utf-8' }
    expect(await send('application/x-ndjson', lines, 'a', type)).toMatchObject({ status: 202, replayed: 'true' })
    const reused = [422, 'idempotency_key_reused']
    expect(codeOf(await send('application/x-ndjson', `${lines}\n`))).toEqual(reused)
    expect(codeOf(await send('application/x-ndjson', lines, 'b'))).toEqual(reused)
    expect(codeOf(await send('text/csv', lines))).toEqual(reused)
    expect(codeOf(await answerOf(submit(one, key)))).toEqual(reused)
  })

  it('compares bodies decoded', async () => {
    const key = newKey()
    const first = await answerOf(submit(one, key))
    const zipped = new Blob([JSON.stringify(body)]).stream().pipeThrough(new CompressionStream('gzip'))
    const again = fetch(`${other.api.url}/v1/batches`, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${one.key}`,
        'content-type': 'application/json',
        'content-encoding': 'gzip',
        'idempotency-key': key,
      },
      body: zipped,
      duplex: 'half',
    })
    expect(await answerOf(again)).toEqual({ ...first, replayed: 'true' })
  })

  it('makes one batch of requests at once over two processes', async () => {
    const key = newKey()
    const before = await batches()
    const calls = Array.from({ length: 10 }, (_, at) => answerOf(submit(at % 2 === 0 ? one : other, key)))
    const answers = await Promise.all(calls)
    const done = answers.filter(({ status }) => status === 202)
    expect(answers.filter(({ status }) => status !== 202 && status !== 409)).toEqual([])
    expect(done.filter(({ replayed }) => replayed === null)).toHaveLength(1)
    expect(new Set(done.map(({ text }) => text)).size).toBe(1)
    expect(await batches()).toHaveLength(before.length + 1)
  })

  it('is free again after any answer that is no 2xx, and nothing remains', async () => {
    const key = newKey()
    const before = await batches()
    expect(codeOf(await answerOf(submit(one, key, { items: [] })))).toEqual([422, 'too_short'])
    expect(codeOf(await answerOf(submit(other, key, '{')))).toEqual([400, 'invalid_json'])
    const bad = ndjson([...items(1_200), { prompt: '' }])
    const refused = upload(one, 'application/x-ndjson', bad, {
      options: { defaults: small },
      headers: { 'idempotency-key': key },
    })
    expect(codeOf(await answerOf(refused))).toEqual([422, 'invalid_item'])
    expect(await batches()).toEqual(before)
    expect((await answerOf(submit(other, key))).status).toBe(202)
  })

  it('answers 409 while the first request is under way', async () => {
    const key = newKey()
    const { promise: gate, resolve: open } = Promise.withResolvers<void>()
    const all = ndjson(items(700))
    async function* source(): AsyncGenerator<Uint8Array> {
      yield Buffer.from(all.slice(0, 30_000))
      await gate
      yield Buffer.from(all.slice(30_000))
    }
    const headers = { 'idempotency-key': key }
    const first = upload(one, 'application/x-ndjson', source(), { options: { defaults: small }, headers })
    const hash = createHash('sha256').update(key).digest('hex')
    await eventually(() => one.parts.store.head(`idempotency/default/${hash}.json`), { what: 'the key to be taken' })
    const again = (): Promise<Answer> =>
      answerOf(upload(other, 'application/x-ndjson', all, { options: { defaults: small }, headers }))
    const refused = await again()
    expect(codeOf(refused)).toEqual([409, 'conflict'])
    open()
    const answer = await answerOf(first)
    expect(answer).toMatchObject({ status: 202, replayed: null })
    expect(await again()).toEqual({ ...answer, replayed: 'true' })
  })

  it.each([
    ['no character', ''],
    ['256 characters', 'x'.repeat(256)],
    ['a character that is not ASCII', 'clé'],
    ['a tab', 'a\tb'],
  ])('of %s is 400', async (_, key) => {
    expect(codeOf(await answerOf(submit(one, key)))).toEqual([400, 'bad_request'])
  })

  it('of 255 characters is taken', async () => {
    expect((await answerOf(submit(one, 'x'.repeat(255)))).status).toBe(202)
  })

  it('holds where the answers of S3 are lost', async () => {
    await using s3 = await startS3InBetween(inject('s3').endpoint)
    const { redisPrefix, s3: own } = one.parts.config
    await using shaky = await startTestApi(import.meta.filename, {
      env: { S3_ENDPOINT: s3.endpoint, REDIS_PREFIX: redisPrefix, S3_BUCKET: own.bucket },
    })
    const before = await batches()
    const key = newKey()
    const lostOnce = new Set<string>()
    s3.fate = (method, path) => {
      if (method !== 'PUT' || lostOnce.has(path)) return 'pass'
      lostOnce.add(path)
      return 'lose the answer'
    }
    const first = await answerOf(submit(shaky, key))
    expect(first.status).toBe(202)
    expect(await answerOf(submit(one, key))).toEqual({ ...first, replayed: 'true' })
    // Nobody can say: the manifest stands, and whoever wrote it did not hear of it.
    const unsure = newKey()
    s3.fate = (method, path) => {
      if (!path.endsWith('manifest.json')) return 'pass'
      return method === 'PUT' ? 'lose the answer' : 'refuse'
    }
    const lost = await answerOf(submit(shaky, unsure))
    expect(lost.status).toBe(503)
    s3.fate = () => 'pass'
    expect(await answerOf(submit(other, unsure))).toMatchObject({ status: 202, replayed: 'true' })
    expect(await batches()).toHaveLength(before.length + 2)
  })

  it('lets one of two attempts commit, also where the first has not noticed that it was taken for dead', async () => {
    await using s3 = await startS3InBetween(inject('s3').endpoint)
    const { redisPrefix, s3: own } = one.parts.config
    await using slow = await startTestApi(import.meta.filename, {
      env: { S3_ENDPOINT: s3.endpoint, REDIS_PREFIX: redisPrefix, S3_BUCKET: own.bucket },
    })
    const before = await batches()
    const all = ndjson(items(1_700))
    const { promise: gate, resolve: open } = Promise.withResolvers<void>()
    async function* source(text: string): AsyncGenerator<Uint8Array> {
      yield Buffer.from(text.slice(0, -100))
      await gate
      yield Buffer.from(text.slice(-100))
    }
    const send = (api: TestApi, key: string, text: string | AsyncGenerator<Uint8Array>): Promise<Answer> =>
      answerOf(
        upload(api, 'application/x-ndjson', text, {
          options: { defaults: small },
          headers: { 'idempotency-key': key },
        }),
      )
    const [same, different] = [newKey(), newKey()]
    const first = send(slow, same, source(all))
    const otherwise = send(slow, different, source(`${all}\n`))
    const begun = async (): Promise<boolean> => {
      const chunks = s3.calls.filter((call) => call.startsWith('PUT') && call.endsWith('000002.jsonl'))
      return chunks.length === 2 && (await one.parts.store.list('idempotency/')).keys.length > 1
    }
    await eventually(begun, { what: 'both to be on their way' })
    // Neither can show that it lives, nor hear that it is taken for dead.
    s3.fate = (method, path) => (method === 'PUT' && path.includes('/idempotency/') ? 'hang' : 'pass')
    const [second, third] = await Promise.all([send(other, same, all), send(other, different, all)])
    expect([second.status, third.status]).toEqual([202, 202])
    open()
    expect(await first).toEqual({ ...second, replayed: 'true' })
    expect(codeOf(await otherwise)).toEqual([422, 'idempotency_key_reused'])
    expect(await batches()).toHaveLength(before.length + 2)
    const inputs = async (text: string): Promise<string[]> => {
      const { id } = JSON.parse(text) as { id: string }
      return (await one.parts.store.list(`batches/${id}/input/`)).keys
    }
    // What the attempts left that came too late goes with them.
    await eventually(async () => (await inputs(second.text)).length === 4 && (await inputs(third.text)).length === 4, {
      what: 'the input of one attempt each',
    })
  })
})

it('an upload that was given up meanwhile is 503, and nothing of it remains', async () => {
  const { promise: gate, resolve: open } = Promise.withResolvers<void>()
  const all = ndjson(items(700))
  async function* source(): AsyncGenerator<Uint8Array> {
    yield Buffer.from(all.slice(0, -100))
    await gate
    yield Buffer.from(all.slice(-100))
  }
  const before = await batches()
  const late = answerOf(upload(one, 'application/x-ndjson', source(), { options: { defaults: small } }))
  const marker = await eventually(async () => (await batches()).find((key) => !before.includes(key)), {
    what: 'its marker',
  })
  const batch = marker.slice('live/'.length, -'.1'.length)
  expect(await abandonBatch(one.parts.store, batch)).toBe(true)
  open()
  expect(codeOf(await late)).toEqual([503, 'unavailable'])
  expect((await one.parts.store.list(`batches/${batch}/`)).keys).toEqual([`batches/${batch}/manifest.json`])
})
