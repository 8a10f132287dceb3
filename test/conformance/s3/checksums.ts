import { GetObjectCommand, HeadObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3'
import { getSignedUrl } from '@aws-sdk/s3-request-presigner'
import { createHash, randomBytes } from 'node:crypto'
import { Readable } from 'node:stream'
import { expect, it } from 'vitest'
import { bytesOf, notFound, refusal, sendHalf, sha256, tamperAfter, tamperBefore } from './setting.ts'
import type { Setting } from './setting.ts'

/** The check values of each algorithm, for the digits 1 to 9 (reveng's catalogue of CRCs; FIPS 180-4 for the SHAs). */
const digits = Buffer.from('123456789')
const known = [
  ['ChecksumCRC32', Buffer.from('cbf43926', 'hex').toString('base64')],
  ['ChecksumCRC32C', Buffer.from('e3069283', 'hex').toString('base64')],
  ['ChecksumCRC64NVME', Buffer.from('ae8b14860a799888', 'hex').toString('base64')],
  ['ChecksumSHA1', Buffer.from('f7c3bc1d808e04732adf679965ccc34ca7ae3441', 'hex').toString('base64')],
  ['ChecksumSHA256', sha256(digits)],
] as const

export function checksumChecks({ target, client, at, connect }: Setting): void {
  const head = (name: string) => client.send(new HeadObjectCommand({ ...at(name), ChecksumMode: 'ENABLED' }))

  it.each(known)('takes a right %s and gives it back', async (field, value) => {
    await client.send(new PutObjectCommand({ ...at(field), Body: digits, [field]: value }))
    expect(await head(field)).toMatchObject({ [field]: value, ContentLength: digits.length })
  })

  it.each(known)('refuses a wrong %s and stores nothing', async (field, value) => {
    const wrong = new PutObjectCommand({ ...at(`wrong-${field}`), Body: Buffer.from('12345678!'), [field]: value })
    expect(await refusal(client.send(wrong))).toEqual({ code: 'BadDigest', status: 400 })
    expect(await refusal(head(`wrong-${field}`))).toEqual(notFound)
  })

  it('keeps what stood when the new body has a wrong checksum', async () => {
    await client.send(new PutObjectCommand({ ...at('stands'), Body: 'stands' }))
    const wrong = { ...at('stands'), Body: Buffer.from('other'), ChecksumSHA256: sha256(Buffer.from('another')) }
    expect(await refusal(client.send(new PutObjectCommand(wrong)))).toEqual({ code: 'BadDigest', status: 400 })
    expect((await bytesOf(await client.send(new GetObjectCommand(at('stands'))))).toString()).toBe('stands')
  })

  it('stores a stream without its frames', async () => {
    const body = randomBytes(300_000)
    const pieces = Readable.from([body.subarray(0, 70_001), body.subarray(70_001, 70_002), body.subarray(70_002)])
    await client.send(new PutObjectCommand({ ...at('stream'), Body: pieces, ContentLength: body.length }))
    const answer = await client.send(new GetObjectCommand(at('stream')))
    expect(answer.ContentEncoding).toBeUndefined()
    expect((await bytesOf(answer)).equals(body)).toBe(true)
  })

  it('keeps the encoding that is the object’s own', async () => {
    const stream = { Body: Readable.from([Buffer.from('zipped')]), ContentLength: 6, ContentEncoding: 'gzip' }
    await client.send(new PutObjectCommand({ ...at('zipped'), ...stream }))
    expect(await head('zipped')).toMatchObject({ ContentEncoding: 'gzip', ContentLength: 6 })
  })

  it('refuses a stream whose trailer does not match', async () => {
    const tampering = connect()
    let frames = ''
    tamperAfter(tampering, (request) => {
      const framed = request.body as AsyncIterable<Buffer>
      request.body = Readable.from(
        (async function* () {
          for await (const piece of framed) frames += piece.toString('latin1')
          frames = frames.replace(/(x-amz-checksum-crc32:)\S+/, '$1AAAAAA==')
          yield Buffer.from(frames, 'latin1')
        })(),
      )
    })
    const command = new PutObjectCommand({ ...at('trailer'), Body: Readable.from([digits]), ContentLength: 9 })
    expect(await refusal(tampering.send(command))).toEqual({ code: 'BadDigest', status: 400 })
    expect(frames).toContain('x-amz-checksum-crc32:AAAAAA==')
    expect(await refusal(head('trailer'))).toEqual(notFound)
    tampering.destroy()
  })

  it.runIf(target.own)('refuses a stream of another length than announced', async () => {
    const tampering = connect()
    tamperBefore(tampering, ({ headers }) => {
      expect(headers['x-amz-decoded-content-length']).toBe('9')
      headers['x-amz-decoded-content-length'] = '8'
    })
    const command = new PutObjectCommand({ ...at('length'), Body: Readable.from([digits]), ContentLength: 9 })
    expect(await refusal(tampering.send(command))).toEqual({ code: 'IncompleteBody', status: 400 })
    expect(await refusal(head('length'))).toEqual(notFound)
    tampering.destroy()
  })

  it('refuses a wrong MD5', async () => {
    const md5 = (text: string) => createHash('md5').update(text).digest('base64')
    await client.send(new PutObjectCommand({ ...at('md5'), Body: 'right', ContentMD5: md5('right') }))
    const wrong = new PutObjectCommand({ ...at('wrong-md5'), Body: 'wrong', ContentMD5: md5('right') })
    expect(await refusal(client.send(wrong))).toEqual({ code: 'BadDigest', status: 400 })
    expect(await refusal(head('wrong-md5'))).toEqual(notFound)
  })

  // Over https the SDK does not sign the body.
  it.runIf(target.endpoint.startsWith('http:'))('refuses a body that was changed after it was signed', async () => {
    const tampering = connect({ requestChecksumCalculation: 'WHEN_REQUIRED' })
    tamperAfter(tampering, (request) => {
      request.body = Buffer.from('changed')
    })
    const command = new PutObjectCommand({ ...at('changed'), Body: Buffer.from('changes') })
    const { code, status } = await refusal(tampering.send(command))
    expect(status).toBe(400)
    if (target.own) expect(code).toBe('XAmzContentSHA256Mismatch')
    expect(await refusal(head('changed'))).toEqual(notFound)
    tampering.destroy()
  })

  it('stores nothing of a body that is cut off, and keeps what stood', async () => {
    const presigning = connect({ requestChecksumCalculation: 'WHEN_REQUIRED' })
    await client.send(new PutObjectCommand({ ...at('cut-over'), Body: 'stands' }))
    for (const name of ['cut', 'cut-over']) {
      const url = await getSignedUrl(presigning, new PutObjectCommand(at(name)))
      await (await sendHalf(url, randomBytes(100_000))).cut()
    }
    expect(await refusal(head('cut'))).toEqual(notFound)
    expect((await bytesOf(await client.send(new GetObjectCommand(at('cut-over'))))).toString()).toBe('stands')
    presigning.destroy()
  })
}
