import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListMultipartUploadsCommand,
  UploadPartCommand,
} from '@aws-sdk/client-s3'
import { Upload } from '@aws-sdk/lib-storage'
import { createHash, randomBytes } from 'node:crypto'
import { Readable } from 'node:stream'
import { expect, it } from 'vitest'
import { bytesOf, notFound, refusal, sha256 } from './setting.ts'
import type { Setting } from './setting.ts'

const partBytes = 5 * 1024 * 1024

export function multipartChecks({ target, client, bucket, at }: Setting): void {
  const noSuchUpload = { code: 'NoSuchUpload', status: 404 }

  async function start(name: string, more: object = {}) {
    const { UploadId } = await client.send(new CreateMultipartUploadCommand({ ...at(name), ...more }))
    const of = { ...at(name), UploadId }
    return {
      of,
      part: (PartNumber: number, Body: Buffer, sums: object = {}) =>
        client.send(new UploadPartCommand({ ...of, PartNumber, Body, ...sums })),
      complete: (Parts: object[]) =>
        client.send(new CompleteMultipartUploadCommand({ ...of, MultipartUpload: { Parts } })),
    }
  }

  it('puts a stream of 12 MB together, with its metadata', async () => {
    const body = randomBytes(12_000_000)
    const kept = { ContentType: 'application/x-ndjson', CacheControl: 'no-store', Metadata: { writer: 'w-1' } }
    const pieces = Array.from({ length: 12 }, (_, index) => body.subarray(index * 1_000_000, (index + 1) * 1_000_000))
    const params = { ...at('streamed'), ...kept, Body: Readable.from(pieces, { objectMode: false }) }
    await new Upload({ client, params, queueSize: 2 }).done()
    const answer = await client.send(new GetObjectCommand(at('streamed')))
    expect(answer).toMatchObject({ ...kept, ContentLength: body.length })
    expect((await bytesOf(answer)).equals(body)).toBe(true)
  })

  it('shows nothing of an object until it is completed', async () => {
    const { part, complete } = await start('hidden')
    const { ETag } = await part(1, Buffer.from('hidden'))
    expect(await refusal(client.send(new HeadObjectCommand(at('hidden'))))).toEqual(notFound)
    const done = await complete([{ PartNumber: 1, ETag }])
    expect(await client.send(new HeadObjectCommand(at('hidden')))).toMatchObject({ ETag: done.ETag })
  })

  it('takes the last body sent for a part, and only the parts named', async () => {
    const { part, complete } = await start('again')
    const large = randomBytes(partBytes)
    await part(1, Buffer.from('first'))
    const first = await part(1, large)
    await part(2, Buffer.from('not named'))
    const last = await part(7, Buffer.from('last'))
    const Parts = [
      { PartNumber: 1, ETag: first.ETag },
      { PartNumber: 7, ETag: last.ETag },
    ]
    await complete(Parts)
    const body = await bytesOf(await client.send(new GetObjectCommand(at('again'))))
    expect(body.equals(Buffer.concat([large, Buffer.from('last')]))).toBe(true)
  })

  it('lists an upload until it is aborted', async () => {
    const { of, part } = await start('aborted')
    await part(1, Buffer.from('part'))
    const open = async () => {
      const { Uploads } = await client.send(new ListMultipartUploadsCommand({ Bucket: bucket, Prefix: of.Key }))
      return Uploads?.map(({ Key, UploadId }) => ({ Key, UploadId })) ?? []
    }
    expect(await open()).toEqual([{ Key: of.Key, UploadId: of.UploadId }])
    await client.send(new AbortMultipartUploadCommand(of))
    expect(await open()).toEqual([])
    expect(await refusal(part(2, Buffer.from('late')))).toEqual(noSuchUpload)
  })

  it('refuses parts that are missing, out of order or too small', async () => {
    const { part, complete } = await start('refused')
    const [one, two] = [await part(1, Buffer.from('one')), await part(2, Buffer.from('two'))]
    const Parts = [
      { PartNumber: 1, ETag: one.ETag },
      { PartNumber: 2, ETag: two.ETag },
    ]
    expect(await refusal(complete([{ PartNumber: 3, ETag: one.ETag }]))).toEqual({ code: 'InvalidPart', status: 400 })
    expect(await refusal(complete([{ PartNumber: 1, ETag: two.ETag }]))).toEqual({ code: 'InvalidPart', status: 400 })
    expect(await refusal(complete(Parts.toReversed()))).toEqual({ code: 'InvalidPartOrder', status: 400 })
    expect(await refusal(complete(Parts))).toEqual({ code: 'EntityTooSmall', status: 400 })
    expect(await refusal(client.send(new HeadObjectCommand(at('refused'))))).toEqual(notFound)
  })

  it('refuses an upload that it does not know', async () => {
    const { of } = await start('unknown')
    const unknown = { ...of, UploadId: 'never-given' }
    const MultipartUpload = { Parts: [{ PartNumber: 1, ETag: '"x"' }] }
    expect(await refusal(client.send(new CompleteMultipartUploadCommand({ ...unknown, MultipartUpload })))).toEqual(
      noSuchUpload,
    )
    expect(await refusal(client.send(new UploadPartCommand({ ...unknown, PartNumber: 1, Body: 'x' })))).toEqual(
      noSuchUpload,
    )
  })

  it('checks each part, and makes the whole checksum of theirs', async () => {
    const { part, complete } = await start('sums', { ChecksumAlgorithm: 'SHA256' })
    const bodies = [randomBytes(partBytes), Buffer.from('the end')]
    const wrong = part(1, Buffer.from('wrong'), { ChecksumSHA256: sha256(Buffer.from('right')) })
    expect(await refusal(wrong)).toEqual({ code: 'BadDigest', status: 400 })
    if (target.own) {
      const other = part(1, Buffer.from('summed otherwise'), { ChecksumAlgorithm: 'CRC32' })
      expect(await refusal(other)).toEqual({ code: 'InvalidRequest', status: 400 })
    }
    const Parts: object[] = []
    for (const [index, body] of bodies.entries()) {
      const { ETag, ChecksumSHA256 } = await part(index + 1, body, { ChecksumSHA256: sha256(body) })
      Parts.push({ PartNumber: index + 1, ETag, ChecksumSHA256 })
    }
    await complete(Parts)
    const composite = createHash('sha256')
    for (const body of bodies) composite.update(sha256(body), 'base64')
    const head = await client.send(new HeadObjectCommand({ ...at('sums'), ChecksumMode: 'ENABLED' }))
    if (target.own) expect(head.ChecksumType).toBe('COMPOSITE')
    expect(head.ChecksumSHA256).toBe(`${composite.digest('base64')}-2`)
  })
}
