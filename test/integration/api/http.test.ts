import { once } from 'node:events'
import { connect } from 'node:net'
import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { bodyLimits } from '../../../src/api/body.ts'
import { startTestApi, testKey, type TestApi } from '../../support/api.ts'
import { items, small } from '../../support/catalog.ts'
import { eventually } from '../../support/eventually.ts'
import { rawHttp } from '../../support/raw-http.ts'

const idleMs = 300
const bytesMax = 64 * 1024
let test: TestApi
beforeAll(async () => {
  test = await startTestApi(import.meta.filename, { options: { limits: { bytesMax, idleMs } } })
})
afterAll(async () => {
  await test[Symbol.asyncDispose]()
})

const auth = `Authorization: Bearer ${testKey}`
const post = `POST /v1/batches HTTP/1.1\r\nHost: x\r\n${auth}\r\nContent-Type: application/json\r\n`

async function problemOf(response: Response): Promise<{ status: number; code: unknown; detail: string }> {
  expect(response.headers.get('content-type')).toBe('application/problem+json')
  const text = await response.text()
  expect(text).not.toMatch(/\bat .+:\d+:\d+|node_modules|\.ts:/)
  const problem = JSON.parse(text) as { status: number; detail: string; request_id: string; error: { code: unknown } }
  expect(problem.request_id).toBe(response.headers.get('x-request-id'))
  expect(problem.status).toBe(response.status)
  return { status: problem.status, code: problem.error.code, detail: problem.detail }
}

describe('keys', () => {
  it.each<[string, Record<string, string>]>([
    ['no header', {}],
    ['an empty header', { authorization: '' }],
    ['another key', { authorization: `Bearer ${testKey}x` }],
    ['another scheme', { authorization: `Basic ${testKey}` }],
    ['a cookie', { cookie: `key=${testKey}` }],
  ])('answers 401 for %s', async (_, headers) => {
    for (const [method, path] of [
      ['GET', '/v1/batches'],
      ['POST', '/v1/batches'],
      ['GET', '/v1/batches/batch_01ARZ3NDEKTSV4RRFFQ69G5FAV'],
      ['GET', '/v1/batches/batch_01ARZ3NDEKTSV4RRFFQ69G5FAV/results'],
    ] as const) {
      const response = await fetch(`${test.api.url}${path}`, { method, headers })
      expect(response.headers.get('www-authenticate')).toMatch(/^Bearer/)
      expect(await problemOf(response)).toMatchObject({ status: 401, code: 'unauthorized' })
    }
  })

  it('takes no key from the query string', async () => {
    const response = await fetch(`${test.api.url}/v1/batches?api_key=${testKey}&authorization=Bearer%20${testKey}`)
    expect(await problemOf(response)).toMatchObject({ status: 401 })
  })
})

describe('addresses', () => {
  it.each([
    '/',
    '/v1',
    '/v1/',
    '/v1/files',
    '/v1/batches/',
    '//v1/batches',
    '/V1/batches',
    '/metrics',
    '/v1/batches/x/events',
  ])('answers 404 for %s', async (path) => {
    expect(await problemOf(await test.send('GET', path))).toMatchObject({ status: 404, code: 'not_found' })
  })

  it.each<[string, string, string]>([
    ['PUT', '/v1/batches', 'POST, GET, HEAD'],
    ['DELETE', '/v1/batches/batch_01ARZ3NDEKTSV4RRFFQ69G5FAV', 'GET, HEAD, PATCH'],
    ['POST', '/v1/batches/batch_01ARZ3NDEKTSV4RRFFQ69G5FAV/results', 'GET, HEAD'],
    ['OPTIONS', '/v1/batches', 'POST, GET, HEAD'],
    ['POST', '/livez', 'GET, HEAD'],
  ])('answers 405 for %s %s, and says what is allowed', async (method, path, allow) => {
    const response = await test.send(method, path)
    expect(response.headers.get('allow')).toBe(allow)
    expect(await problemOf(response)).toMatchObject({ status: 405, code: 'method_not_allowed' })
  })

  it('answers TRACE with 405 and does not echo it', async () => {
    const { status, body } = await rawHttp(test.api.url, [
      `TRACE /v1/batches HTTP/1.1\r\nHost: x\r\nX-Mine: echo-me\r\n\r\n`,
    ])
    expect(status).toBe(405)
    expect(body).not.toContain('echo-me')
  })

  it('answers 400 for a path that cannot be decoded', async () => {
    expect(await problemOf(await test.send('GET', '/v1/batches/%E0%A4%A'))).toMatchObject({ status: 400 })
  })

  it('answers HEAD like GET, without a body', async () => {
    const response = await test.send('HEAD', '/v1/batches')
    expect(response.status).toBe(200)
    expect(Number(response.headers.get('content-length'))).toBeGreaterThan(0)
    expect(await response.text()).toBe('')
  })
})

describe('every answer', () => {
  it('has an id of its own, and headers that keep browsers and caches out', async () => {
    const answers = [
      await test.send('GET', '/v1/batches'),
      await test.send('GET', '/nowhere'),
      await test.send('GET', '/livez'),
    ]
    const ids = answers.map((answer) => answer.headers.get('x-request-id'))
    expect(new Set(ids).size).toBe(3)
    for (const { headers } of answers) {
      expect(headers.get('x-request-id')).toMatch(/^req_[0-9a-f]{24}$/)
      expect(headers.get('x-powered-by')).toBeNull()
      expect(headers.get('x-content-type-options')).toBe('nosniff')
      expect(headers.get('content-security-policy')).toContain("default-src 'none'")
      expect(headers.get('access-control-allow-origin')).toBeNull()
      expect(headers.get('cache-control')).toBe('no-store')
    }
  })
})

describe('a body', () => {
  const send = (body: string, headers = {}): Promise<Response> => test.send('POST', '/v1/batches', body, headers)

  it.each<[string, string]>([
    ['is empty', ''],
    ['is cut', '{"items": [{"prompt": "x"'],
    ['is no JSON', '{items: []}'],
    ['is 10,000 deep', `{"items":${'['.repeat(10_000)}`],
  ])('that %s is 400', async (_, body) => {
    const response = body === '' ? await test.send('POST', '/v1/batches') : await send(body)
    expect(await problemOf(response)).toMatchObject({ status: 400, code: 'invalid_json' })
  })

  it('that is no JSON is told where it stops being that, without an echo', async () => {
    const { detail } = await problemOf(await send('{"items": [{"prompt": hunter2}]}'))
    expect(detail).toContain('character 22')
    expect(detail).not.toContain('hunter2')
  })

  it('that is JSON and no object is 422', async () => {
    for (const body of ['[]', '"x"', '7', 'null', 'true']) {
      expect(await problemOf(await send(body))).toMatchObject({ status: 422, code: 'invalid_type' })
    }
  })

  it.each([
    'text/plain',
    'application/x-www-form-urlencoded',
    'multipart/form-data; boundary=x',
    'application/json; charset=latin1',
    'application/json; charset=utf-16',
    'application/jsonx',
    'json',
  ])('of type %s is 415', async (type) => {
    expect(await problemOf(await send('{}', { 'content-type': type }))).toMatchObject({
      status: 415,
      code: 'unsupported_media_type',
    })
  })

  it('without a type, or in another encoding than gzip, is 415', async () => {
    const untyped = await rawHttp(test.api.url, [
      `POST /v1/batches HTTP/1.1\r\nHost: x\r\n${auth}\r\nContent-Length: 2\r\n\r\n{}`,
    ])
    expect(untyped.status).toBe(415)
    for (const encoding of ['br', 'deflate', 'gzip, gzip']) {
      expect(await problemOf(await send('{}', { 'content-encoding': encoding }))).toMatchObject({ status: 415 })
    }
  })

  it('is taken up to the limit and refused one byte above it, with the limit', async () => {
    const body = (length: number): string => {
      const text = JSON.stringify({ items: [{ prompt: 'x', ...small }] })
      return text + ' '.repeat(length - text.length)
    }
    expect((await send(body(bytesMax))).status).toBe(202)
    const refused = await problemOf(await send(body(bytesMax + 1)))
    expect(refused).toMatchObject({ status: 413, code: 'too_large' })
    expect(refused.detail).toContain('65,536')
    // Much more than fits into what the connection holds: the answer must arrive all the same.
    expect(await problemOf(await send(body(40 * 1024 * 1024)))).toMatchObject({ status: 413 })
  })

  it('that says it is too large is refused before a byte of it has come', async () => {
    const answer = await rawHttp(test.api.url, [`${post}Content-Length: ${String(bytesMax + 1)}\r\n\r\n`])
    expect(answer.status).toBe(413)
  })

  it('is refused at the limit where its length is not said', async () => {
    async function* endless(): AsyncGenerator<Uint8Array> {
      for (let sent = 0; sent < 10_000; sent += 1) {
        yield Buffer.alloc(1024, ' ')
        await test.parts.clock.sleep(0)
      }
    }
    const response = await fetch(`${test.api.url}/v1/batches`, {
      method: 'POST',
      headers: { authorization: `Bearer ${testKey}`, 'content-type': 'application/json' },
      body: ReadableStream.from(endless()),
      duplex: 'half',
    })
    expect(await problemOf(response)).toMatchObject({ status: 413 })
  })

  it('that is a gzip bomb is refused at the limit of what it becomes', async () => {
    const bomb = gzipSync(Buffer.alloc(64 * 1024 * 1024, ' '))
    const zipped = async (bytes: Buffer): Promise<Response> =>
      fetch(`${test.api.url}/v1/batches`, {
        method: 'POST',
        headers: { authorization: `Bearer ${testKey}`, 'content-type': 'application/json', 'content-encoding': 'gzip' },
        body: new Uint8Array(bytes),
      })
    const text = JSON.stringify({ items: [{ prompt: 'x', ...small }] })
    expect((await zipped(gzipSync(text.padEnd(bytesMax)))).status).toBe(202)
    expect((await zipped(gzipSync(text.padEnd(bytesMax + 1)))).status).toBe(413)
    const memoryBefore = process.memoryUsage().rss
    expect(await problemOf(await zipped(bomb))).toMatchObject({ status: 413 })
    expect(process.memoryUsage().rss - memoryBefore).toBeLessThan(48 * 1024 * 1024)
    expect(await problemOf(await zipped(Buffer.from('no gzip')))).toMatchObject({ status: 400, code: 'bad_request' })
    expect(await problemOf(await zipped(gzipSync('{"items": []}').subarray(0, 20)))).toMatchObject({ status: 400 })
  })

  it('may take as long as it wants, but not be silent', async () => {
    const body = JSON.stringify({ items: items(1), defaults: small })
    const head = `${post}Content-Length: ${String(body.length)}\r\n\r\n`
    const slow = rawHttp(test.api.url, [head], (socket) => {
      void (async () => {
        // Three times as long as the silence that is allowed.
        for (let at = 0; at < body.length; at += Math.ceil(body.length / 9)) {
          await test.parts.clock.sleep(idleMs / 3)
          socket.write(body.slice(at, at + Math.ceil(body.length / 9)))
        }
      })()
    })
    expect((await slow).status).toBe(202)
    const silent = await rawHttp(test.api.url, [head, body.slice(0, 10)])
    expect(silent.status).toBe(408)
    expect(JSON.parse(silent.body)).toMatchObject({ error: { code: 'timeout' } })
  })

  it('that its sender gives up on does no harm', async () => {
    const before = (await test.parts.store.list('')).keys.length
    await rawHttp(test.api.url, [`${post}Content-Length: 1000\r\n\r\n{"items":`], (socket) => socket.end()).catch(
      () => undefined,
    )
    await eventually(async () => (await test.send('GET', '/livez')).ok, { what: 'an answer' })
    expect((await test.parts.store.list('')).keys).toHaveLength(before)
  })

  it('is read in full by default up to 32 MiB, with 30 s of silence', () => {
    expect(bodyLimits).toEqual({ bytesMax: 33_554_432, idleMs: 30_000 })
  })
})

describe.concurrent('below HTTP', () => {
  it.each<[string, string, number, string]>([
    [
      'headers above 16 KiB',
      `GET /livez HTTP/1.1\r\nHost: x\r\nX-Big: ${'x'.repeat(17_000)}\r\n\r\n`,
      431,
      'headers_too_large',
    ],
    [
      'a length beside chunks',
      `${post}Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
      400,
      'bad_request',
    ],
    ['two lengths', `${post}Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}`, 400, 'bad_request'],
    ['a broken chunk', `${post}Transfer-Encoding: chunked\r\n\r\nzz\r\n`, 400, 'bad_request'],
    ['no HTTP at all', 'hello\r\n\r\n', 400, 'bad_request'],
    ['a broken header', 'GET /livez HTTP/1.1\r\nHost: x\r\nBad Header: y\r\n\r\n', 400, 'bad_request'],
    ['no Host', 'GET /livez HTTP/1.1\r\n\r\n', 400, 'bad_request'],
  ])('%s is answered as a problem', async (_, sent, status, code) => {
    const answer = await rawHttp(test.api.url, [sent])
    expect(answer.status).toBe(status)
    expect(answer.headers['content-type']).toBe('application/problem+json')
    expect(answer.headers['x-request-id']).toMatch(/^req_/)
    expect(JSON.parse(answer.body)).toMatchObject({
      status,
      error: { code },
      request_id: answer.headers['x-request-id'],
    })
  })

  it('headers that only drip are cut off with 408 within 10 s', async () => {
    const startedMs = performance.now()
    const answer = await rawHttp(test.api.url, ['GET /livez HTTP/1.1\r\n'], (socket) => {
      void (async () => {
        while (!socket.destroyed) {
          socket.write('X')
          await test.parts.clock.sleep(1_000)
        }
      })()
    })
    expect(answer.status).toBe(408)
    expect(JSON.parse(answer.body)).toMatchObject({ error: { code: 'timeout' } })
    expect(performance.now() - startedMs).toBeLessThan(10_000)
  })

  it('whoever goes on sending after the answer is cut off', async () => {
    const socket = connect(test.api.port, '127.0.0.1')
    const closed = once(socket, 'close')
    socket.on('error', () => undefined)
    socket.write('POST /nowhere HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n')
    const [answer] = (await once(socket, 'data')) as [Buffer]
    expect(answer.toString()).toMatch(/^HTTP\/1\.1 404 /)
    const stop = test.parts.clock.every(100, () => socket.write('1\r\nx\r\n'))
    await closed
    stop()
  })
})
