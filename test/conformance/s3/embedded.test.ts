import {
  CompleteMultipartUploadCommand,
  CreateBucketCommand,
  CreateMultipartUploadCommand,
  GetObjectAclCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsCommand,
  PutObjectCommand,
  UploadPartCommand,
} from '@aws-sdk/client-s3'
import { getSignedUrl } from '@aws-sdk/s3-request-presigner'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { Agent, request } from 'node:http'
import type { IncomingMessage } from 'node:http'
import { connect as connectSocket } from 'node:net'
import { networkInterfaces, tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { startS3 } from '../../../src/dev/s3/server.ts'
import { bytesOf, openSetting, refusal, sha256, tamperBefore } from './setting.ts'
import type { Setting } from './setting.ts'

// What the embedded server is on top of being an S3.

const credentials = { accessKeyId: 'embedded', secretAccessKey: 'embedded-secret' }
const bucket = 'embedded'
let folder: string

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 's3-embedded-'))
})

afterEach(async () => {
  await rm(folder, { recursive: true, force: true })
})

const start = () => startS3({ folder, port: 0, ...credentials, buckets: [bucket] })

function settingOf({ endpoint }: { endpoint: string }): Setting {
  const own = { own: true, quirks: [], forcePathStyle: true }
  return openSetting({ name: 'embedded', endpoint, region: 'x', credentials, bucket, ...own })
}

async function bodyFiles(): Promise<string[]> {
  const entries = await readdir(join(folder, 'bodies'), { recursive: true, withFileTypes: true })
  return entries.filter((entry) => entry.isFile()).map(({ name }) => name)
}

describe('the embedded S3', () => {
  it('comes back on its folder with objects, metadata and open uploads', async () => {
    const first = await start()
    const before = settingOf(first)
    const body = randomBytes(10_000)
    const kept = { ContentType: 'image/png', Metadata: { item: 'i-1' }, ChecksumSHA256: sha256(body) }
    const key = { Bucket: bucket, Key: 'kept' }
    await before.client.send(new PutObjectCommand({ ...key, Body: body, ...kept }))
    const { UploadId } = await before.client.send(new CreateMultipartUploadCommand({ ...key, Key: 'parts' }))
    const of = { Bucket: bucket, Key: 'parts', UploadId }
    const { ETag } = await before.client.send(new UploadPartCommand({ ...of, PartNumber: 1, Body: 'part' }))
    before.client.destroy()
    await first.stop()
    await first.stop()

    await using second = await start()
    const { client } = settingOf(second)
    const answer = await client.send(new GetObjectCommand({ ...key, ChecksumMode: 'ENABLED' }))
    expect(answer).toMatchObject(kept)
    expect((await bytesOf(answer)).equals(body)).toBe(true)
    const Parts = [{ PartNumber: 1, ETag }]
    await client.send(new CompleteMultipartUploadCommand({ ...of, MultipartUpload: { Parts } }))
    expect(await client.send(new HeadObjectCommand({ ...key, Key: 'parts' }))).toMatchObject({ ContentLength: 4 })
    client.destroy()
  })

  it('keeps one file for each object, whatever was replaced, refused or put together', async () => {
    await using server = await start()
    const { client } = settingOf(server)
    const put = (Key: string, Body: string, more: object = {}) =>
      client.send(new PutObjectCommand({ Bucket: bucket, Key, Body, ...more }))
    await put('a', 'one')
    await put('a', 'two')
    await refusal(put('a', 'three', { IfNoneMatch: '*' }))
    await refusal(put('a', 'four', { ChecksumSHA256: sha256(Buffer.from('five')) }))
    const of = { Bucket: bucket, Key: 'b' }
    const { UploadId } = await client.send(new CreateMultipartUploadCommand(of))
    const part = { ...of, UploadId, PartNumber: 1 }
    await client.send(new UploadPartCommand({ ...part, Body: 'first' }))
    const { ETag } = await client.send(new UploadPartCommand({ ...part, Body: 'second' }))
    expect(await bodyFiles()).toHaveLength(2)
    const complete = { ...of, UploadId, MultipartUpload: { Parts: [{ PartNumber: 1, ETag }] } }
    await client.send(new CompleteMultipartUploadCommand(complete))
    expect(await bodyFiles()).toHaveLength(2)
    client.destroy()
  })

  it('sweeps what a kill left behind, and nothing else', async () => {
    const first = await start()
    const before = settingOf(first)
    const key = { Bucket: bucket, Key: 'a' }
    await before.client.send(new PutObjectCommand({ ...key, Body: 'stays' }))
    before.client.destroy()
    await first.stop()
    const [named = ''] = await bodyFiles()
    writeFileSync(join(folder, 'bodies', '00', '00-left-behind'), 'left behind')

    await using second = await start()
    expect(await bodyFiles()).toEqual([named])
    const { client } = settingOf(second)
    expect((await bytesOf(await client.send(new GetObjectCommand(key)))).toString()).toBe('stays')
    client.destroy()
  })

  it('answers with an error, not with wrong bytes, when a body is not whole on disk', async () => {
    await using server = await start()
    const { client } = settingOf(server)
    const key = { Bucket: bucket, Key: 'a' }
    await client.send(new PutObjectCommand({ ...key, Body: 'whole' }))
    const [name = ''] = await bodyFiles()
    writeFileSync(join(folder, 'bodies', name.slice(0, 2), name), 'who')
    expect(await refusal(client.send(new GetObjectCommand(key)))).toEqual({ code: 'InternalError', status: 500 })
    client.destroy()
  })

  it('lets no second server use its folder', async () => {
    await using server = await start()
    expect(server.endpoint).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/)
    await expect(start()).rejects.toThrow(/another S3 server is using/)
  })

  it('throws when its port is taken, and leaves the folder free', async () => {
    await using server = await start()
    const other = await mkdtemp(join(tmpdir(), 's3-embedded-'))
    const options = { folder: other, ...credentials, buckets: [] }
    await expect(startS3({ ...options, port: Number(new URL(server.endpoint).port) })).rejects.toThrow('EADDRINUSE')
    await (await startS3({ ...options, port: 0 })).stop()
    await rm(other, { recursive: true })
  })

  it('is not there for other machines', async () => {
    await using server = await start()
    const port = Number(new URL(server.endpoint).port)
    const outward = Object.values(networkInterfaces())
      .flat()
      .find((address) => address?.family === 'IPv4' && !address.internal)
    const socket = connectSocket(port, outward?.address ?? '127.0.0.2')
    await expect(
      new Promise((resolve, reject) => {
        socket.on('connect', resolve)
        socket.on('error', reject)
      }),
    ).rejects.toThrow('ECONNREFUSED')
    socket.destroy()
  })

  it('completes an upload once, however many ask at the same time', async () => {
    await using server = await start()
    const { client } = settingOf(server)
    const of = { Bucket: bucket, Key: 'a' }
    const { UploadId } = await client.send(new CreateMultipartUploadCommand(of))
    const Body = randomBytes(3_000_000)
    const { ETag } = await client.send(new UploadPartCommand({ ...of, UploadId, PartNumber: 1, Body }))
    const complete = { ...of, UploadId, MultipartUpload: { Parts: [{ PartNumber: 1, ETag }] } }
    const outcomes = await Promise.allSettled(
      Array.from({ length: 5 }, () => client.send(new CompleteMultipartUploadCommand(complete))),
    )
    const lost = outcomes.filter((outcome) => outcome.status === 'rejected')
    expect(lost.map(({ reason }) => (reason as Error).name)).toEqual(Array(4).fill('NoSuchUpload'))
    expect((await bytesOf(await client.send(new GetObjectCommand(of)))).equals(Buffer.from(Body))).toBe(true)
    expect(await bodyFiles()).toHaveLength(1)
    client.destroy()
  })

  it('answers a sender that goes on sending after it was refused, and then the next request', async () => {
    await using server = await start()
    const { connect } = settingOf(server)
    const body = Buffer.alloc(40_000_000, 'x') // more than sockets hold, and than a document may have
    const presigning = connect({ requestChecksumCalculation: 'WHEN_REQUIRED' })
    tamperBefore(presigning, ({ headers }) => {
      headers['content-length'] = String(body.length)
    })
    const url = await getSignedUrl(presigning, new CreateBucketCommand({ Bucket: 'another' }))
    const agent = new Agent({ keepAlive: true, maxSockets: 1 })
    const first = request(url, { method: 'PUT', agent, headers: { 'content-length': body.length } })
    const answered = once(first, 'response')
    await new Promise((resolve) => first.end(body, () => resolve(undefined)))
    const [answer] = (await answered) as [IncomingMessage]
    expect({ status: answer.statusCode, text: await text(answer) }).toEqual({
      status: 400,
      text: expect.stringContaining('MalformedXML') as string,
    })
    const second = request(server.endpoint, { agent })
    const [next] = (await once(second.end(), 'response')) as [IncomingMessage]
    expect({ status: next.statusCode, reused: second.reusedSocket }).toEqual({ status: 403, reused: true })
    agent.destroy()
    presigning.destroy()
  })

  it('refuses by name what it does not know', async () => {
    await using server = await start()
    const { client } = settingOf(server)
    const key = { Bucket: bucket, Key: 'a' }
    const notImplemented = { code: 'NotImplemented', status: 501 }
    expect(await refusal(client.send(new GetObjectAclCommand(key)))).toEqual(notImplemented)
    expect(await refusal(client.send(new ListObjectsCommand({ Bucket: bucket })))).toEqual(notImplemented)
    expect(await refusal(client.send(new GetObjectCommand({ ...key, VersionId: '1' })))).toEqual(notImplemented)
    const glacier = new PutObjectCommand({ ...key, Body: 'a', StorageClass: 'GLACIER' })
    expect(await refusal(client.send(glacier))).toEqual(notImplemented)
    const ifNoneMatch = new PutObjectCommand({ ...key, Body: 'a', IfNoneMatch: '"tag"' })
    expect(await refusal(client.send(ifNoneMatch))).toEqual(notImplemented)
    client.destroy()
  })

  it('refuses names and metadata that S3 would refuse', async () => {
    await using server = await start()
    const { client } = settingOf(server)
    const put = (more: object) => client.send(new PutObjectCommand({ Bucket: bucket, Key: 'a', Body: 'a', ...more }))
    const bad = client.send(new CreateBucketCommand({ Bucket: 'UPPER' }))
    expect(await refusal(bad)).toEqual({ code: 'InvalidBucketName', status: 400 })
    expect(await refusal(put({ Key: 'k'.repeat(1025) }))).toEqual({ code: 'KeyTooLongError', status: 400 })
    expect(await refusal(put({ Metadata: { much: 'x'.repeat(2050) } }))).toEqual({
      code: 'MetadataTooLarge',
      status: 400,
    })
    const twoSums = { ChecksumCRC32: 'AAAAAA==', ChecksumSHA256: sha256(Buffer.from('a')) }
    expect(await refusal(put(twoSums))).toEqual({ code: 'InvalidRequest', status: 400 })
    client.destroy()
  })
})
