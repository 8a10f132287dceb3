import { once } from 'node:events'
import { createServer } from 'node:net'
import { setImmediate as connectionIsFree } from 'node:timers/promises'
import { afterEach, describe, expect, it } from 'vitest'
import { systemClock } from '../../../../src/shared/process/clock.ts'
import { createProvider } from '../../../../src/worker/provider/client.ts'
import { bareServer, httpAnswer } from '../../../support/bare-server.ts'
import type { AddressInfo } from 'node:net'
import type { ImageRequest, Provider, ProviderAnswer } from '../../../../src/worker/provider/client.ts'

// Of no known form, so that only what knows it can cut it out.
const key = 'test-key-0123456789'
const open: Provider[] = []
afterEach(async () => {
  await Promise.all(open.splice(0).map(async (provider) => provider.close()))
})

async function ask(baseUrl: string, more: Partial<ImageRequest> = {}, timeoutMs = 2_000): Promise<ProviderAnswer> {
  const provider = createProvider({ apiKey: key, baseUrl, timeoutMs, clock: systemClock, userAgent: 'cratework/0.1.0' })
  open.push(provider)
  return provider.generateImage(request(more))
}

function request(more: Partial<ImageRequest> = {}): ImageRequest {
  return { model: 'sim/a', prompt: 'A shoe, 5 €', parameters: {}, idempotencyKey: 'item_1-1', ...more }
}

function bodyOf(text: string | undefined): unknown {
  return JSON.parse(Buffer.from(text?.split('\r\n\r\n')[1] ?? '', 'latin1').toString('utf8'))
}

const url = 'https://assets.example/a.png'
const bytes = Buffer.from('an image')
const answer = (datum: unknown, headers: Record<string, string> = {}): Buffer =>
  httpAnswer(200, headers, JSON.stringify({ created: 1, data: [datum] }))

describe('the call', () => {
  it('is one POST with the key and what the item says, in snake_case', async () => {
    await using server = await bareServer(() => answer({ url }))
    const parameters = { aspect_ratio: '1:1', seed: 7, num_inference_steps: 4, guidance: 3.5, negative_prompt: 'blur' }
    await ask(`${server.origin}/v1/`, { parameters })
    const [text] = server.requests
    expect(text).toMatch(/^POST \/v1\/images\/generations HTTP\/1\.1\r\n/)
    expect(text).toContain(`authorization: Bearer ${key}\r\n`)
    expect(text).toContain('content-type: application/json\r\n')
    expect(text).toContain('idempotency-key: item_1-1\r\n')
    expect(text).toContain('user-agent: cratework/0.1.0\r\n')
    expect(bodyOf(text)).toEqual({ model: 'sim/a', prompt: 'A shoe, 5 €', response_format: 'url', ...parameters })
  })

  it('asks for the form that the item gave, and lets no extra field replace a known one', async () => {
    await using server = await bareServer(() => answer({ url }))
    const extra = { style_type: 'Auto', prompt: 'x', model: 'y', seed: 1, response_format: 'z', nested: { a: [null] } }
    await ask(server.origin, { parameters: { response_format: 'b64_json', seed: 2 }, extra })
    expect(bodyOf(server.requests[0])).toEqual({
      model: 'sim/a', prompt: 'A shoe, 5 €', seed: 2, response_format: 'b64_json', style_type: 'Auto',
      nested: { a: [null] },
    }) // prettier-ignore
  })
})

describe('an answer', () => {
  it.each([
    ['a URL', { url, b64_json: null }, { kind: 'url', url }],
    ['b64_json', { url: null, b64_json: bytes.toString('base64') }, { kind: 'bytes', bytes }],
    ['a data: URI', { url: `data:image/png;base64,${bytes.toString('base64url')}` }, { kind: 'bytes', bytes }],
  ])('is read where its image is %s', async (_form, datum, image) => {
    await using server = await bareServer(() => answer(datum))
    expect((await ask(server.origin)).image).toEqual(image)
  })

  it('carries its id and what its headers say about the rate', async () => {
    const headers = { 'X-Request-Id': 'req_1', 'X-RateLimit-Limit': '60', 'X-RateLimit-Remaining': '59' }
    await using server = await bareServer(() => answer({ url }, headers))
    expect(await ask(server.origin)).toMatchObject({ requestId: 'req_1', pace: { limit: 60, remaining: 59 } })
    await using silent = await bareServer(() => answer({ url }))
    expect(await ask(silent.origin)).toMatchObject({ requestId: undefined, pace: {} })
  })

  it('that refuses is classified, with its headers, and never tried again', async () => {
    const body = JSON.stringify({ error: { message: `Bad key ${key}`, code: 'invalid_api_key' } })
    await using server = await bareServer(() => httpAnswer(401, { 'x-ratelimit-limit': '60' }, body))
    await expect(ask(server.origin)).rejects.toMatchObject({
      class: 'provider_closed',
      message: 'The provider answered 401: Bad key [key]',
      pace: { limit: 60 },
    })
    expect(server.requests).toHaveLength(1)
  })

  it('that redirects is not followed: the key goes to no other host', async () => {
    await using other = await bareServer(() => answer({ url }))
    await using server = await bareServer(() => httpAnswer(307, { location: other.origin }))
    await expect(ask(server.origin)).rejects.toMatchObject({ class: 'provider_suspect', providerStatus: 307 })
    expect(other.connections).toBe(0)
  })

  it.each([
    ['a page', '<html>'],
    ['nothing', ''],
    ['no data', '{}'],
    ['base64 that is none', '{"data":[{"b64_json":"****"}]}'],
    ['a URL that is none', '{"data":[{"url":"file:///etc/passwd"}]}'],
  ])('of 200 with %s is bad output', async (_what, body) => {
    await using server = await bareServer(() => httpAnswer(200, {}, body))
    await expect(ask(server.origin)).rejects.toMatchObject({ class: 'bad_output', code: 'output_invalid' })
  })

  it('that announces more than 100 MiB is not read', async () => {
    await using server = await bareServer(() => 'HTTP/1.1 200 OK\r\ncontent-length: 104857601\r\n\r\n')
    await expect(ask(server.origin)).rejects.toMatchObject({ class: 'bad_output', providerStatus: 200 })
  })
})

describe('a call without a whole answer', () => {
  const notSent = { class: 'not_sent', code: 'provider_error' }

  it('does not send what may be out of date by the time that a connection stands', async () => {
    await using server = await bareServer(() => answer({ url }))
    const sendBy = systemClock.monotonic() - 1
    await expect(ask(server.origin, { sendBy })).rejects.toMatchObject(notSent)
    expect(server.requests).toEqual([])
    await ask(server.origin, { sendBy: systemClock.monotonic() + 60_000 })
    expect(server.requests).toHaveLength(1)
  })
  const unknown = { class: 'unknown_outcome', code: 'outcome_unknown' }

  it('was not sent where nobody listens', async () => {
    const server = createServer().listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address() as AddressInfo
    server.close()
    await once(server, 'close')
    await expect(ask(`http://127.0.0.1:${String(port)}`)).rejects.toMatchObject(notSent)
  })

  it('was not sent where the name does not resolve or TLS fails', async () => {
    await expect(ask('http://nowhere.invalid/v1')).rejects.toMatchObject(notSent)
    await using plain = await bareServer((_request, socket) => {
      socket.end('no TLS here')
      return undefined
    })
    await expect(ask(plain.origin.replace('http:', 'https:'), {}, 300)).rejects.toMatchObject(notSent)
    expect(plain.requests).toHaveLength(0)
  })

  it('was not sent where the caller gave up first', async () => {
    await using server = await bareServer(() => answer({ url }))
    await expect(ask(server.origin, { signal: AbortSignal.abort() })).rejects.toMatchObject(notSent)
    expect(server.requests).toHaveLength(0)
  })

  it.each([
    ['cut before a byte', undefined],
    ['cut in its head', 'HTTP/1.1 20'],
    ['cut in a good body', 'HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n{"data":[{"url"'],
    ['cut in a chunk', 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\n{"da\r\n'],
    ['not HTTP', 'SSH-2.0-OpenSSH\r\n'],
  ])('has an unknown outcome where it is %s', async (_what, text) => {
    await using server = await bareServer((_request, socket) => {
      if (text === undefined) socket.resetAndDestroy()
      else socket.end(text)
      return undefined
    })
    await expect(ask(server.origin)).rejects.toMatchObject(unknown)
    expect(server.requests).toHaveLength(1)
  })

  it('has an unknown outcome where the whole call takes too long, or the caller gives up meanwhile', async () => {
    await using hanging = await bareServer(() => undefined)
    await expect(ask(hanging.origin, {}, 100)).rejects.toMatchObject(unknown)
    await using dripping = await bareServer(() => 'HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n{')
    await expect(ask(dripping.origin, {}, 100)).rejects.toMatchObject(unknown)
    const controller = new AbortController()
    await using server = await bareServer(() => {
      controller.abort()
      return undefined
    })
    await expect(ask(server.origin, { signal: controller.signal })).rejects.toMatchObject(unknown)
  })

  it('has an unknown outcome where a kept connection dies under it', async () => {
    await using server = await bareServer((_request, socket, nth) => {
      if (nth === 0) return answer({ url })
      socket.resetAndDestroy()
      return undefined
    })
    const provider = createProvider({
      apiKey: key,
      baseUrl: server.origin,
      timeoutMs: 1_000,
      clock: systemClock,
      userAgent: 'x',
    })
    open.push(provider)
    await provider.generateImage(request())
    await connectionIsFree()
    await expect(provider.generateImage(request())).rejects.toMatchObject(unknown)
    expect(server.connections).toBe(1)
    expect(server.requests).toHaveLength(2)
  })

  it.each([
    [400, 'permanent'],
    [429, 'throttled'],
    [500, 'transient'],
    [504, 'unknown_outcome'],
  ])('is what its status says where an answer of %i is cut in its body', async (status, failureClass) => {
    await using server = await bareServer((_request, socket) => {
      socket.end(`HTTP/1.1 ${String(status)} X\r\ncontent-length: 99\r\nx-ratelimit-limit: 5\r\n\r\n{`)
      return undefined
    })
    const failure = { class: failureClass, providerStatus: status, pace: { limit: 5 } }
    await expect(ask(server.origin)).rejects.toMatchObject(failure)
  })
})

it('keeps its connections, and makes as many as there are calls at once', async () => {
  const waiting: (() => void)[] = []
  await using server = await bareServer((_request, socket) => {
    waiting.push(() => socket.write(answer({ url })))
    if (waiting.length === 40) for (const go of waiting.splice(0)) go()
    return undefined
  })
  const provider = createProvider({
    apiKey: key,
    baseUrl: server.origin,
    timeoutMs: 2_000,
    clock: systemClock,
    userAgent: 'x',
  })
  open.push(provider)
  const fortyAtOnce = async (): Promise<unknown> =>
    Promise.all(Array.from({ length: 40 }, async () => provider.generateImage(request())))
  await fortyAtOnce()
  await connectionIsFree()
  await fortyAtOnce()
  expect(server.requests).toHaveLength(80)
  expect(server.connections).toBe(40)
})
