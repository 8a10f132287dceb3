import { GetObjectCommand, HeadObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3'
import { getSignedUrl } from '@aws-sdk/s3-request-presigner'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { bytesOf, notFound, refusal, send } from './setting.ts'
import type { Setting } from './setting.ts'

export function signatureChecks({ target, client, at, connect }: Setting): void {
  // An URL has no body to sum, so the SDK would put the checksum of an empty one into it.
  const presigning = connect({ requestChecksumCalculation: 'WHEN_REQUIRED' })
  const getUrl = (name: string, more: object = {}) =>
    getSignedUrl(presigning, new GetObjectCommand(at(name)), { expiresIn: 60, ...more })
  const mismatch = { status: 403, text: expect.stringContaining('<Code>SignatureDoesNotMatch</Code>') as string }
  const denied = { status: 403, text: expect.stringContaining('<Code>AccessDenied</Code>') as string }

  beforeAll(async () => {
    await client.send(new PutObjectCommand({ ...at('signed ü.txt'), Body: 'signed' }))
    await client.send(new PutObjectCommand({ ...at('other'), Body: 'other' }))
  })
  afterAll(() => {
    presigning.destroy()
  })

  it('lets a presigned URL read', async () => {
    expect(await send(await getUrl('signed ü.txt'))).toMatchObject({ status: 200, text: 'signed' })
    expect(await send(await getUrl('missing'))).toMatchObject({ status: 404 })
  })

  it('lets a presigned URL say how the answer is named', async () => {
    const ResponseContentDisposition = 'attachment; filename="a.png"'
    const command = new GetObjectCommand({ ...at('other'), ResponseContentDisposition })
    const { headers } = await send(await getSignedUrl(presigning, command))
    expect(headers.get('content-disposition')).toBe(ResponseContentDisposition)
  })

  it('lets a presigned URL write', async () => {
    const url = await getSignedUrl(presigning, new PutObjectCommand(at('by-url')))
    expect(await send(url, { method: 'PUT', body: 'by url' })).toMatchObject({ status: 200 })
    expect((await bytesOf(await client.send(new GetObjectCommand(at('by-url'))))).toString()).toBe('by url')
  })

  it('refuses a presigned URL for anything but what it was signed for', async () => {
    const url = await getUrl('other')
    expect(await send(url.replace('/other?', '/signed%20%C3%BC.txt?'))).toMatchObject(mismatch)
    expect(await send(url.replace('X-Amz-Expires=60', 'X-Amz-Expires=6000'))).toMatchObject(mismatch)
    expect(await send(`${url}&response-content-type=text%2Fhtml`)).toMatchObject(mismatch)
    expect(await send(url, { method: 'PUT', body: 'changed' })).toMatchObject(mismatch)
    expect(await send(url, { method: 'DELETE' })).toMatchObject(mismatch)
    expect(await send(url)).toMatchObject({ status: 200, text: 'other' })
  })

  it('refuses a presigned URL when its time is over', async () => {
    const signedAt = (secondsAgo: number) => ({ signingDate: new Date(Date.now() - secondsAgo * 1000) })
    expect(await send(await getUrl('other', signedAt(55)))).toMatchObject({ status: 200 })
    expect(await send(await getUrl('other', signedAt(62)))).toMatchObject(denied)
  })

  it('refuses a presigned URL with a header that was not signed', async () => {
    const url = await getSignedUrl(presigning, new PutObjectCommand(at('header')))
    const headers = { 'x-amz-meta-added': 'later' }
    expect(await send(url, { method: 'PUT', body: 'x', headers })).toMatchObject({ status: 403 })
    expect(await refusal(client.send(new HeadObjectCommand(at('header'))))).toEqual(notFound)
  })

  it('refuses a wrong secret, an unknown key and no signature', async () => {
    const { accessKeyId } = target.credentials
    const wrongSecret = connect({ credentials: { accessKeyId, secretAccessKey: 'wrong' } })
    const unknownKey = connect({ credentials: { accessKeyId: 'unknown', secretAccessKey: 'wrong' } })
    const get = new GetObjectCommand(at('other'))
    expect(await refusal(wrongSecret.send(get))).toEqual({ code: 'SignatureDoesNotMatch', status: 403 })
    expect(await refusal(unknownKey.send(get))).toEqual({ code: 'InvalidAccessKeyId', status: 403 })
    const [plain = ''] = (await getUrl('other')).split('?')
    expect(await send(plain)).toMatchObject(denied)
    expect(await send(plain, { method: 'PUT', body: 'anonymous' })).toMatchObject(denied)
    const put = new PutObjectCommand({ ...at('other'), Body: 'forged' })
    expect(await refusal(wrongSecret.send(put))).toMatchObject({ status: 403 })
    expect((await bytesOf(await client.send(get))).toString()).toBe('other')
  })

  it.each([-20, 20])('refuses a clock that is %s minutes off', async (minutes) => {
    const skewed = connect({ systemClockOffset: minutes * 60_000 })
    const skew = await refusal(skewed.send(new GetObjectCommand(at('other'))))
    expect(skew).toEqual({ code: 'RequestTimeTooSkewed', status: 403 })
    skewed.destroy()
  })
}
