import {
  CopyObjectCommand,
  CreateBucketCommand,
  DeleteObjectCommand,
  DeleteObjectsCommand,
  GetObjectCommand,
  HeadBucketCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
} from '@aws-sdk/client-s3'
import pLimit from 'p-limit'
import { randomBytes } from 'node:crypto'
import { expect, it } from 'vitest'
import { bytesOf, noSuchKey, notFound, preconditionFailed, refusal } from './setting.ts'
import type { Setting } from './setting.ts'

export function objectChecks({ target, client, bucket, at }: Setting): void {
  const put = (name: string, body: Buffer | string, more: object = {}) =>
    client.send(new PutObjectCommand({ ...at(name), Body: Buffer.from(body), ...more }))
  const get = (name: string, more: object = {}) => client.send(new GetObjectCommand({ ...at(name), ...more }))
  const head = (name: string, more: object = {}) => client.send(new HeadObjectCommand({ ...at(name), ...more }))

  it('gives back bytes, type, cache control and metadata', async () => {
    const body = randomBytes(100_000)
    const before = Date.now()
    const kept = { ContentType: 'image/png', CacheControl: 'max-age=60', Metadata: { item: 'i-1', 'two-words': 'a b' } }
    const { ETag } = await put('kept', body, kept)
    expect(ETag).toMatch(/^"[^"]+"$/)
    const expected = { ...kept, ETag, ContentLength: body.length }
    expect(await head('kept')).toMatchObject(expected)
    const answer = await get('kept')
    expect(answer).toMatchObject(expected)
    expect((await bytesOf(answer)).equals(body)).toBe(true)
    expect(answer.LastModified?.getTime()).toBeGreaterThanOrEqual(Math.floor(before / 1000) * 1000)
  })

  it('keeps an empty object', async () => {
    await put('empty', '')
    expect(await head('empty')).toMatchObject({ ContentLength: 0 })
    expect(await bytesOf(await get('empty'))).toHaveLength(0)
  })

  it('keeps an object of several megabytes', async () => {
    const body = randomBytes(3_500_000)
    await put('large', body)
    expect((await bytesOf(await get('large'))).equals(body)).toBe(true)
  })

  it('replaces bytes, type and metadata together', async () => {
    const first = await put('replaced', 'first, and longer', { ContentType: 'text/plain', Metadata: { round: '1' } })
    const second = await put('replaced', 'second', { Metadata: { other: '2' } })
    expect(second.ETag).not.toBe(first.ETag)
    const answer = await get('replaced')
    expect((await bytesOf(answer)).toString()).toBe('second')
    expect(answer.Metadata).toEqual({ other: '2' })
    expect(answer.ContentType).not.toBe('text/plain')
  })

  it.each([
    'a&b<c>d\'e"f g+h%20i?j#k=l.png',
    'entities &amp;lt; &#38; .png',
    'ü/漢字/😀.png',
    '(round) [square] {curly} !*~@$,;:',
    `${'x'.repeat(200)}/${'y'.repeat(target.quirks.includes('short names') ? 250 : 600)}`,
  ])('takes the key %s', async (name) => {
    await put(name, name)
    expect((await bytesOf(await get(name))).toString()).toBe(name)
    const { Contents } = await client.send(new ListObjectsV2Command({ Bucket: bucket, Prefix: at(name).Key }))
    expect(Contents?.map(({ Key }) => Key)).toEqual([at(name).Key])
  })

  it.skipIf(target.quirks.includes('no object beside its folder'))(
    'has an object beside a folder of its name',
    async () => {
      await put('both', 'object')
      await put('both/below', 'below')
      expect((await bytesOf(await get('both'))).toString()).toBe('object')
      expect((await bytesOf(await get('both/below'))).toString()).toBe('below')
    },
  )

  it.runIf(target.own)('takes dots and double slashes in a key for what they are', async () => {
    for (const name of ['slashes//two', '../../up', './here', 'end/']) {
      await put(name, name)
      expect((await bytesOf(await get(name))).toString()).toBe(name)
    }
  })

  it.each([
    ['bytes=0-9', 0, 10],
    ['bytes=500-', 500, 1000],
    ['bytes=-1', 999, 1000],
    ['bytes=990-5000', 990, 1000],
  ])('gives the range %s', async (Range, from, to) => {
    const body = Buffer.from(Array.from({ length: 1000 }, (_, index) => index % 251))
    await put('range', body)
    const answer = await get('range', { Range })
    expect(answer.$metadata.httpStatusCode).toBe(206)
    expect(answer.ContentRange).toBe(`bytes ${String(from)}-${String(to - 1)}/1000`)
    expect((await bytesOf(answer)).equals(body.subarray(from, to))).toBe(true)
  })

  it('refuses a range behind the end', async () => {
    await put('short', 'short')
    expect(await refusal(get('short', { Range: 'bytes=5-' }))).toEqual({ code: 'InvalidRange', status: 416 })
  })

  it('answers reads by their conditions', async () => {
    const { ETag } = await put('read', 'read')
    const { LastModified } = await head('read')
    const day = 24 * 3600 * 1000
    const dayBefore = new Date((LastModified?.getTime() ?? 0) - day)
    for (const read of [get, head]) {
      expect(await refusal(read('read', { IfNoneMatch: ETag }))).toMatchObject({ status: 304 })
      expect(await read('read', { IfNoneMatch: '"other"' })).toMatchObject({ ETag })
      expect(await refusal(read('read', { IfMatch: '"other"' }))).toMatchObject({ status: 412 })
      expect(await read('read', { IfMatch: ETag })).toMatchObject({ ETag })
      expect(await refusal(read('read', { IfModifiedSince: LastModified }))).toMatchObject({ status: 304 })
      expect(await read('read', { IfModifiedSince: dayBefore })).toMatchObject({ ETag })
      expect(await refusal(read('read', { IfUnmodifiedSince: dayBefore }))).toMatchObject({ status: 412 })
      expect(await read('read', { IfUnmodifiedSince: LastModified })).toMatchObject({ ETag })
    }
    expect(await refusal(get('read', { IfMatch: '"other"' }))).toEqual(preconditionFailed)
  })

  it('says which is missing, the key or the bucket', async () => {
    const nowhere = { Bucket: `${bucket}-that-is-not-there`, Key: 'a' }
    const noSuchBucket = { code: 'NoSuchBucket', status: 404 }
    expect(await refusal(get('missing'))).toEqual(noSuchKey)
    expect(await refusal(head('missing'))).toEqual(notFound)
    expect(await refusal(client.send(new GetObjectCommand(nowhere)))).toEqual(noSuchBucket)
    expect(await refusal(client.send(new PutObjectCommand({ ...nowhere, Body: 'a' })))).toEqual(noSuchBucket)
    expect(await refusal(client.send(new ListObjectsV2Command({ Bucket: nowhere.Bucket })))).toEqual(noSuchBucket)
    expect(await refusal(client.send(new HeadBucketCommand({ Bucket: nowhere.Bucket })))).toEqual(notFound)
  })

  it('knows its bucket and does not make it twice', async () => {
    await client.send(new HeadBucketCommand({ Bucket: bucket }))
    const { code, status } = await refusal(client.send(new CreateBucketCommand({ Bucket: bucket })))
    expect(status).toBe(409)
    expect(code).toMatch(/^BucketAlready(OwnedByYou|Exists)$/)
  })

  it('deletes an object, and one that is not there', async () => {
    await put('deleted', 'deleted')
    for (let time = 1; time <= 2; time += 1) {
      const answer = await client.send(new DeleteObjectCommand(at('deleted')))
      expect(answer.$metadata.httpStatusCode).toBe(204)
      expect(await refusal(head('deleted'))).toEqual(notFound)
    }
  })

  it('deletes a thousand at once, some of which are not there', async () => {
    const names = Array.from({ length: 1000 }, (_, index) => `thousand/${String(index)} & <more>`)
    const limit = pLimit(20)
    await Promise.all(names.slice(0, 100).map((name) => limit(put, name, 'x')))
    const Objects = names.map((name) => ({ Key: at(name).Key }))
    const { Deleted, Errors } = await client.send(new DeleteObjectsCommand({ Bucket: bucket, Delete: { Objects } }))
    expect(Errors ?? []).toEqual([])
    expect(new Set(Deleted?.map(({ Key }) => Key))).toEqual(new Set(Objects.map(({ Key }) => Key)))
    const left = await client.send(new ListObjectsV2Command({ Bucket: bucket, Prefix: at('thousand/').Key }))
    expect(left.KeyCount).toBe(0)
  })

  it('copies with the metadata of the source or with new', async () => {
    const source = 'source ü+&.png'
    const { ETag } = await put(source, 'copied', { ContentType: 'image/png', Metadata: { from: 'source' } })
    const CopySource = encodeURIComponent(`${bucket}/${at(source).Key}`)
    await client.send(new CopyObjectCommand({ ...at('copy-1'), CopySource }))
    expect(await head('copy-1')).toMatchObject({ ETag, ContentType: 'image/png', Metadata: { from: 'source' } })
    const changed = { MetadataDirective: 'REPLACE', Metadata: { from: 'copy' }, ContentType: 'image/webp' } as const
    await client.send(new CopyObjectCommand({ ...at('copy-2'), CopySource, ...changed }))
    await client.send(new DeleteObjectCommand(at(source)))
    const copy = await get('copy-2')
    expect(copy).toMatchObject({ ContentType: 'image/webp', Metadata: { from: 'copy' } })
    expect((await bytesOf(copy)).toString()).toBe('copied')
    expect(await refusal(client.send(new CopyObjectCommand({ ...at('copy-3'), CopySource })))).toEqual(noSuchKey)
  })
}
