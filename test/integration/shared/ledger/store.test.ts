import { createHash, randomBytes } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import { GetObjectCommand, ListMultipartUploadsCommand, S3Client } from '@aws-sdk/client-s3'
import { Failure } from '../../../../src/shared/failures/failure.ts'
import { StoreConflict, type PutOptions, type Store } from '../../../../src/shared/ledger/store.ts'
import { systemClock } from '../../../../src/shared/process/clock.ts'
import { bareServer, httpAnswer } from '../../../support/bare-server.ts'
import { freshNames } from '../../../support/fresh-names.ts'
import { startS3InBetween, type Fate, type S3InBetween } from '../../../support/s3-in-between.ts'
import { openTestStore } from '../../../support/test-store.ts'

let bucket: string
let store: Store
let between: S3InBetween
/** The same bucket, through a go-between that fails what a test picks. */
let shaky: Store
beforeAll(async () => {
  bucket = (await freshNames(import.meta.filename)).bucket
  store = openTestStore(bucket, { prefix: 'shop/' })
  between = await startS3InBetween(inject('s3').endpoint)
  shaky = openTestStore(bucket, { prefix: 'shop/', endpoint: between.endpoint, deadlineMs: 900 })
})
afterAll(async () => {
  store.close()
  shaky.close()
  await between[Symbol.asyncDispose]()
})

/** For what the store does not show. */
function rawClient(): S3Client {
  const { endpoint, region, forcePathStyle, accessKeyId, secretAccessKey } = inject('s3')
  return new S3Client({ endpoint, region, forcePathStyle, credentials: { accessKeyId, secretAccessKey } })
}

const absent: PutOptions = { condition: 'absent', contentType: 'text/plain' }
const onto = (etag: string): PutOptions => ({ condition: { etag }, contentType: 'text/plain' })
let named = 0
const freshKey = (): string => `key-${String((named += 1))}`
const textAt = async (key: string): Promise<string | undefined> => (await store.get(key))?.body.toString()

/** The fates of the next calls of a method, in order; then all pass. Forgets the calls before. */
function next(method: string, ...fates: Fate[]): void {
  between.calls.length = 0
  between.fate = (called) => (called === method ? (fates.shift() ?? 'pass') : 'pass')
}
const callsMade = (): string[] => between.calls.map((call) => call.split(' ')[0] ?? '')

async function failureOf(call: Promise<unknown>): Promise<Failure> {
  const failure: unknown = await call.then(
    () => undefined,
    (error: unknown) => error,
  )
  if (!(failure instanceof Failure)) throw new Error('no Failure', { cause: failure })
  return failure
}

const xmlError = (status: number, code: string): Buffer =>
  httpAnswer(status, { 'content-type': 'application/xml' }, `<Error><Code>${code}</Code><Message>m</Message></Error>`)

describe('an object', () => {
  it('comes back as it was put, under the prefix of the bucket', async () => {
    const key = freshKey()
    const body = randomBytes(3000)
    const sha256 = createHash('sha256').update(body).digest()
    const { etag } = await store.put(key, body, {
      condition: 'absent',
      contentType: 'image/png',
      metadata: { item: 'item_1', 'cost-usd': '0.003' },
      cacheControl: 'max-age=60',
      sha256,
    })
    const found = await store.get(key)
    expect(found?.body.equals(body)).toBe(true)
    expect(found).toMatchObject({ etag, bytes: 3000, contentType: 'image/png' })
    expect(found?.metadata).toMatchObject({ item: 'item_1', 'cost-usd': '0.003' })
    expect(await store.head(key)).toMatchObject({ etag, bytes: 3000, metadata: { item: 'item_1' } })
    expect([store.fullKey(key), store.ownKey(`shop/${key}`)]).toEqual([`shop/${key}`, key])
    const raw = rawClient()
    const answer = await raw.send(new GetObjectCommand({ Bucket: bucket, Key: `shop/${key}` }))
    expect(answer.CacheControl).toBe('max-age=60')
    raw.destroy()
  })

  it('that is not there is undefined, and may be removed', async () => {
    const key = freshKey()
    expect(await store.get(key)).toBeUndefined()
    expect(await store.head(key)).toBeUndefined()
    await store.remove(key)
    await store.put(key, 'text', absent)
    await store.remove(key)
    expect(await store.get(key)).toBeUndefined()
  })

  it('may be empty', async () => {
    const key = freshKey()
    await store.put(key, '', absent)
    expect(await store.get(key)).toMatchObject({ bytes: 0, body: Buffer.alloc(0) })
  })

  it('is refused where its bytes are not those of its checksum', async () => {
    const key = freshKey()
    const sha256 = createHash('sha256').update('other bytes').digest()
    expect((await failureOf(store.put(key, 'the bytes', { ...absent, sha256 }))).class).toBe('storage_closed')
    expect(await store.head(key)).toBeUndefined()
  })

  it('is linked to for anybody, at the public endpoint where there is one', async () => {
    const key = freshKey()
    await store.put(key, 'for all', absent)
    const answer = await fetch(await store.presign(key, 60))
    expect([answer.status, await answer.text()]).toEqual([200, 'for all'])
    const elsewhere = openTestStore(bucket, { prefix: 'shop/', publicEndpoint: 'https://images.example' })
    expect(await elsewhere.presign(key, 60)).toMatch(/^https:\/\/images\.example\/.*X-Amz-Expires=60/)
    expect(await elsewhere.get(key)).toBeDefined()
    elsewhere.close()
  })
})

describe('a condition', () => {
  it('that nothing is there lets one writer through', async () => {
    const key = freshKey()
    await store.put(key, 'first', absent)
    await expect(store.put(key, 'second', absent)).rejects.toThrow(StoreConflict)
    expect(await textAt(key)).toBe('first')
  })

  it('lets one of many writers through who come at once', async () => {
    const key = freshKey()
    const puts = await Promise.allSettled(Array.from({ length: 8 }, (_, at) => store.put(key, String(at), absent)))
    expect(puts.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
    expect(await textAt(key)).toBe(String(puts.findIndex(({ status }) => status === 'fulfilled')))
  })

  it('that it is what was read holds until somebody writes', async () => {
    const key = freshKey()
    const first = await store.put(key, 'first', absent)
    const second = await store.put(key, 'second', onto(first.etag))
    await expect(store.put(key, 'late', onto(first.etag))).rejects.toThrow(StoreConflict)
    await store.put(key, 'third', onto(second.etag))
    expect(await textAt(key)).toBe('third')
  })

  it('that it is what was read does not hold where it is gone', async () => {
    const key = freshKey()
    const { etag } = await store.put(key, 'first', absent)
    await store.remove(key)
    await expect(store.put(key, 'late', onto(etag))).rejects.toThrow(StoreConflict)
    expect(await store.head(key)).toBeUndefined()
  })

  it.each([
    [412, 'PreconditionFailed'],
    [409, 'ConditionalRequestConflict'],
    [404, 'NoSuchKey'],
  ])('does not hold where S3 answers %i %s, at the first try', async (status, code) => {
    await using server = await bareServer(() => xmlError(status, code))
    const other = openTestStore(bucket, { endpoint: server.origin })
    const error: unknown = await other.put('key', 'text', onto('"etag"')).catch((thrown: unknown) => thrown)
    expect(error).toBeInstanceOf(StoreConflict)
    expect((error as StoreConflict).key).toBe('key')
    expect(server.requests).toHaveLength(1)
    other.close()
  })

  it('other conflicts of S3 are no such thing', async () => {
    await using server = await bareServer(() => xmlError(409, 'OperationAborted'))
    const other = openTestStore(bucket, { endpoint: server.origin })
    expect((await failureOf(other.put('key', 'text', absent))).message).toBe('S3 is away: 409 OperationAborted')
    other.close()
  })
})

describe('a write whose answer was lost', () => {
  it('is known as its own', async () => {
    for (const condition of ['absent', 'etag'] as const) {
      const key = freshKey()
      const options = condition === 'absent' ? absent : onto((await store.put(key, 'before', absent)).etag)
      next('PUT', 'lose the answer')
      const { etag } = await shaky.put(key, 'text', options)
      expect(callsMade()).toEqual(['PUT', 'PUT', 'HEAD'])
      expect(await store.get(key)).toMatchObject({ etag, body: Buffer.from('text') })
    }
  })

  it('is not taken for its own where somebody else has written since', async () => {
    const key = freshKey()
    next('PUT', 'lose the answer')
    const overtaken = openTestStore(bucket, {
      prefix: 'shop/',
      endpoint: between.endpoint,
      clock: {
        ...systemClock,
        async sleep() {
          const found = await store.head(key)
          await store.put(key, "somebody else's", onto(found?.etag ?? ''))
        },
      },
    })
    await expect(overtaken.put(key, 'text', absent)).rejects.toThrow(StoreConflict)
    expect(await textAt(key)).toBe("somebody else's")
    overtaken.close()
  })

  it('is not taken for its own where another object stood there from the start', async () => {
    const key = freshKey()
    await store.put(key, 'there before', absent)
    next('PUT', 'refuse')
    await expect(shaky.put(key, 'text', absent)).rejects.toThrow(StoreConflict)
    expect(await textAt(key)).toBe('there before')
  })
})

describe('where S3 fails', () => {
  it('a call is tried three times', async () => {
    const key = freshKey()
    next('PUT', 'refuse', 'refuse')
    await shaky.put(key, 'text', absent)
    expect(callsMade()).toEqual(['PUT', 'PUT', 'PUT'])
    for (const [method, call] of [
      ['GET', () => shaky.get(key)],
      ['HEAD', () => shaky.head(key)],
      ['GET', () => shaky.list('')],
      ['DELETE', () => shaky.remove(key)],
    ] as const) {
      next(method, 'refuse', 'refuse')
      await call()
      expect(callsMade()).toEqual([method, method, method])
    }
  })

  it('S3 is away after that, with what it answered', async () => {
    next('GET', 'refuse', 'refuse', 'refuse', 'refuse')
    const failure = await failureOf(shaky.get(freshKey()))
    expect(failure).toMatchObject({ class: 'storage_closed', message: 'S3 is away: 503 SlowDown' })
    expect(callsMade()).toEqual(['GET', 'GET', 'GET'])
  })

  it('S3 is away where nobody listens', async () => {
    const nowhere = openTestStore(bucket, { endpoint: 'http://127.0.0.1:1', deadlineMs: 600 })
    for (const call of [
      () => nowhere.get('key'),
      () => nowhere.head('key'),
      () => nowhere.put('key', 'text', absent),
      () => nowhere.list(''),
      () => nowhere.remove('key'),
      () => nowhere.putStream('key', chunksOf(['text']), absent),
    ]) {
      expect((await failureOf(call())).class).toBe('storage_closed')
    }
    nowhere.close()
  })

  it('a hung call ends at its deadline, after another try or two', async () => {
    next('GET', 'hang', 'hang', 'hang', 'hang')
    const began = performance.now()
    expect((await failureOf(shaky.get(freshKey()))).class).toBe('storage_closed')
    expect(performance.now() - began).toBeLessThan(3000)
    expect(callsMade()).toEqual(['GET', 'GET', 'GET'])
  })

  it('one hung try leaves room for another', async () => {
    const key = freshKey()
    await store.put(key, 'text', absent)
    next('GET', 'hang')
    expect((await shaky.get(key))?.body.toString()).toBe('text')
  })

  it('an answer that stops in the middle ends at the deadline, too', async () => {
    await using server = await bareServer(() => 'HTTP/1.1 200 OK\r\ncontent-length: 1000\r\netag: "x"\r\n\r\nhalf')
    const dripping = openTestStore(bucket, { endpoint: server.origin, deadlineMs: 600 })
    const began = performance.now()
    const outcome = await Promise.race([failureOf(dripping.get('key')), delay(3000, 'still waiting', { ref: false })])
    expect(outcome).toMatchObject({ class: 'storage_closed' })
    expect(performance.now() - began).toBeLessThan(3000)
    dripping.close()
  })

  it('a stream that hangs ends as well', async () => {
    next('PUT', 'hang')
    const hasty = openTestStore(bucket, { endpoint: between.endpoint, deadlineMs: 300 })
    const stream = hasty.putStream(freshKey(), chunksOf(['text']), absent)
    const outcome = await Promise.race([failureOf(stream), delay(6000, 'still waiting', { ref: false })])
    expect(outcome).toMatchObject({ class: 'storage_closed' })
    hasty.close()
  })

  it.each([
    [403, 'AccessDenied'],
    [401, 'Unauthorized'],
    [404, 'NoSuchBucket'],
  ])('a refusal (%i %s) is not tried again, and is no missing key', async (status, code) => {
    await using server = await bareServer(() => xmlError(status, code))
    const denied = openTestStore(bucket, { endpoint: server.origin })
    for (const call of [() => denied.get('key'), () => denied.put('key', 'text', absent), () => denied.list('')]) {
      const failure = await failureOf(call())
      expect(failure).toMatchObject({ class: 'storage_closed', message: `S3 refused: ${String(status)} ${code}` })
    }
    expect(server.requests).toHaveLength(3)
    denied.close()
  })
})

describe('a list', () => {
  it('gives keys in byte order, by pages, without the prefix of the bucket', async () => {
    const keys = ['list/a', 'list/a/b', 'list/a0', 'list/B', 'list/é'].toSorted((a, b) =>
      Buffer.compare(Buffer.from(a), Buffer.from(b)),
    )
    for (const key of keys) await store.put(key, '', absent)
    expect(await store.list('list/')).toMatchObject({ keys, more: false })
    expect(await store.list('list/', { limit: 2 })).toMatchObject({ keys: keys.slice(0, 2), more: true })
    expect(await store.list('list/', { limit: 2, after: keys[1] as string })).toMatchObject({
      keys: keys.slice(2, 4),
      more: true,
    })
    expect(await store.list('list/', { after: keys[3] as string })).toMatchObject({ keys: keys.slice(4), more: false })
    expect(await store.list('nothing/')).toMatchObject({ keys: [], more: false })
  })
})

async function* chunksOf(chunks: Iterable<Buffer | string>): AsyncIterable<Buffer | string> {
  for (const chunk of chunks) yield await Promise.resolve(chunk)
}

describe('a stream', () => {
  it.each([
    ['nothing', []],
    ['a little', ['one line\n', Buffer.from('and another ö\n')]],
    ['more than a part', Array.from({ length: 20 }, () => randomBytes(1024 * 1024))],
  ])('of %s is stored whole', async (_, chunks) => {
    const key = freshKey()
    const whole = Buffer.concat(chunks.map((chunk) => Buffer.from(chunk)))
    await store.putStream(key, chunksOf(chunks), { ...absent, metadata: { item: 'x' } })
    const found = await store.get(key)
    expect(found).toMatchObject({ bytes: whole.length, contentType: 'text/plain', metadata: { item: 'x' } })
    expect(found?.body.equals(whole)).toBe(true)
  })

  it.each([
    ['a little', 1],
    ['more than a part', 9],
  ])('of %s is held to its condition', async (_, megabytes) => {
    const key = freshKey()
    const body = (): AsyncIterable<Buffer | string> =>
      chunksOf(Array.from({ length: megabytes }, () => Buffer.alloc(1024 * 1024, 'x')))
    const { etag } = await store.put(key, 'stands', absent)
    await expect(store.putStream(key, body(), absent)).rejects.toThrow(StoreConflict)
    await expect(store.putStream(key, body(), onto('"0123456789abcdef0123456789abcdef"'))).rejects.toThrow(
      StoreConflict,
    )
    expect(await textAt(key)).toBe('stands')
    await store.putStream(key, body(), onto(etag))
    expect((await store.head(key))?.bytes).toBe(megabytes * 1024 * 1024)
  })

  it.each([
    ['at once', 0],
    ['in the first part', 1],
    ['after the first part', 12],
  ])('whose source fails %s leaves nothing, and says what the source said', async (_, megabytes) => {
    const key = freshKey()
    const fault = new TypeError('the source is broken')
    async function* broken(): AsyncIterable<Buffer> {
      for (let at = 0; at < megabytes; at += 1) yield await Promise.resolve(Buffer.alloc(1024 * 1024))
      throw fault
    }
    await expect(store.putStream(key, broken(), absent)).rejects.toBe(fault)
    expect(await store.head(key)).toBeUndefined()
    const raw = rawClient()
    const { Uploads } = await raw.send(new ListMultipartUploadsCommand({ Bucket: bucket }))
    expect(Uploads ?? []).toEqual([])
    raw.destroy()
  })

  it('fails where S3 does, and may then be tried again by whoever can read the source again', async () => {
    const key = freshKey()
    next('PUT', 'refuse')
    expect((await failureOf(shaky.putStream(key, chunksOf(['text']), absent))).class).toBe('storage_closed')
    await shaky.putStream(key, chunksOf(['text']), absent)
    expect(await textAt(key)).toBe('text')
  })
})
