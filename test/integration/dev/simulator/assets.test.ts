import { describe, expect, it } from 'vitest'
import { eventually } from '../../../support/eventually.ts'
import { goodKey, linkOf, schnell, startCaller } from './caller.ts'

const small = { model: schnell, prompt: 'A mug', seed: 1, width: 256, height: 256 }

describe('a link to a picture', () => {
  it('answers GET and HEAD with type, length and tag', async () => {
    const { call, download, send } = await startCaller()
    const link = linkOf(await call(small))
    const got = await download(link)
    expect(got.status).toBe(200)
    expect(got.headers).toMatchObject({
      'content-type': 'image/png',
      'content-length': String(got.bytes.length),
      etag: expect.stringMatching(/^"[0-9a-f]{32}"$/) as string,
    })
    const head = await send('HEAD', link, { headers: { 'user-agent': 'test' } })
    expect([head.status, head.bytes.length, head.headers['etag']]).toEqual([200, 0, got.headers['etag']])
    expect(head.headers['content-length']).toBe(got.headers['content-length'])
    expect((await download(link, { 'if-none-match': String(got.headers['etag']) })).status).toBe(304)
  })

  it('answers ranges', async () => {
    const { call, download } = await startCaller()
    const link = linkOf(await call(small))
    const { bytes, headers } = await download(link)
    const length = String(bytes.length)
    const part = await download(link, { range: 'bytes=100-199' })
    expect([part.status, part.headers['content-range']]).toEqual([206, `bytes 100-199/${length}`])
    expect(part.bytes).toEqual(bytes.subarray(100, 200))
    expect((await download(link, { range: 'bytes=100-' })).bytes).toEqual(bytes.subarray(100))
    expect((await download(link, { range: 'bytes=-50' })).bytes).toEqual(bytes.subarray(-50))
    expect((await download(link, { range: `bytes=${length}-` })).status).toBe(416)
    const tag = String(headers['etag'])
    expect((await download(link, { range: 'bytes=0-9', 'if-range': tag })).status).toBe(206)
    expect((await download(link, { range: 'bytes=0-9', 'if-range': '"other"' })).status).toBe(200)
  })

  it('is 403 without a user agent, with another signature or another end', async () => {
    const { call, download, send } = await startCaller()
    const link = linkOf(await call(small))
    expect((await send('GET', link)).status).toBe(403)
    expect((await download(link.replace(/sig=./, 'sig=x'))).status).toBe(403)
    expect((await download(link.replace(/exp=./, 'exp=9'))).status).toBe(403)
    expect((await download(link.split('?')[0] ?? '')).status).toBe(403)
    expect((await download(link)).status).toBe(200)
  })

  it('is 403 with an XML body once its life is over', async () => {
    const { call, control, download } = await startCaller()
    await control('PUT', '/options', { url_ttl_s: 0.2 })
    const link = linkOf(await call(small))
    expect((await download(link)).status).toBe(200)
    const late = await eventually(
      async () => {
        const reply = await download(link)
        return reply.status === 403 && reply
      },
      { what: 'the link to expire' },
    )
    expect(late.headers['content-type']).toBe('application/xml')
    expect(late.bytes.toString()).toContain('<Code>AccessDenied</Code>')
  })

  it('refuses an Authorization header, and the ledger tells that the key leaked', async () => {
    const { call, control, download } = await startCaller()
    const link = linkOf(await call(small))
    expect((await control('GET', '/calls')).json()).toMatchObject({ calls: [{ leaked_key: false }] })
    expect((await download(link, { authorization: `Bearer ${goodKey}` })).status).toBe(400)
    expect((await control('GET', '/calls')).json()).toMatchObject({ calls: [{ leaked_key: true }] })
  })

  it('counts its downloads in the ledger', async () => {
    const { call, control, download } = await startCaller()
    const link = linkOf(await call(small))
    await download(link)
    await download(link)
    expect((await control('GET', '/calls')).json()).toMatchObject({ calls: [{ asset_downloads: 2 }] })
  })
})
