import { once } from 'node:events'
import { createServer } from 'node:net'
import { setImmediate as connectionIsFree } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createOutbound } from '../../../../src/shared/outbound/fetch.ts'
import { systemClock } from '../../../../src/shared/process/clock.ts'
import { bareServer, httpAnswer } from '../../../support/bare-server.ts'
import type { AddressInfo, Socket } from 'node:net'
import type { Outbound, OutboundRequest } from '../../../../src/shared/outbound/fetch.ts'

let outbound: Outbound
beforeEach(() => {
  outbound = createOutbound({ clock: systemClock })
})
afterEach(async () => {
  await outbound.close()
})

function to(url: string, more: Partial<OutboundRequest> = {}): OutboundRequest {
  return {
    url,
    method: 'GET',
    headers: { 'user-agent': 'test' },
    allowHttp: true,
    allowPrivate: true,
    maxRedirects: 0,
    connectTimeoutMs: 1_000,
    totalTimeoutMs: 2_000,
    maxBytes: 1_000,
    ...more,
  }
}

describe('createOutbound', () => {
  it('gives status, headers, body and address of an answer', async () => {
    await using server = await bareServer(() => httpAnswer(418, { 'x-a': 'b' }, 'tea'))
    const answer = await outbound.request(to(`${server.origin}/path?q=1#f`))
    expect(answer).toMatchObject({ status: 418, address: '127.0.0.1', headers: { 'x-a': 'b' } })
    expect(answer.body.toString()).toBe('tea')
    expect(server.requests[0]).toMatch(/^GET \/path\?q=1 HTTP\/1\.1\r\n/)
  })

  it('sends a body as it is and does not follow what a POST is redirected to', async () => {
    await using server = await bareServer(() => httpAnswer(307, { location: '/elsewhere' }))
    const body = Buffer.from('{"é":1}')
    const answer = await outbound.request(to(server.origin, { method: 'POST', body }))
    expect(answer.status).toBe(307)
    expect(server.requests).toHaveLength(1)
    expect(server.requests[0]?.endsWith(body.toString('latin1'))).toBe(true)
  })

  it('refuses http, private addresses and both without a connection, unless they are allowed or trusted', async () => {
    await using server = await bareServer(() => httpAnswer(200, {}, 'in'))
    const strict = { allowHttp: false, allowPrivate: false }
    const refusals = [
      [to(server.origin, strict), 'forbidden_scheme'],
      [to(server.origin, { ...strict, allowPrivate: true }), 'forbidden_scheme'],
      [to(server.origin, { ...strict, allowHttp: true }), 'forbidden_address'],
      [to('ftp://shop.example/'), 'forbidden_scheme'],
      [to('https://user:pass@shop.example/'), 'invalid_url'],
    ] as const
    for (const [request, reason] of refusals) {
      await expect(outbound.request(request)).rejects.toMatchObject({ reason, sent: false })
    }
    // Another port of the same host is another origin.
    const other = { ...strict, trustedOrigin: `http://127.0.0.1:${String(server.port + 1)}` }
    await expect(outbound.request(to(server.origin, other))).rejects.toMatchObject({ reason: 'forbidden_scheme' })
    expect(server.connections).toBe(0)
    const trusted = { ...strict, trustedOrigin: `${server.origin}/v1` }
    expect((await outbound.request(to(`${server.origin}/a.png`, trusted))).status).toBe(200)
  })

  it('lets private reach to no address at which clouds hand out credentials, not by name either', async () => {
    const cloud = createOutbound({
      clock: systemClock,
      resolveAll: (_host, done) => {
        done(null, [{ address: '169.254.169.254', family: 4 }])
      },
    })
    const request = cloud.request(to('http://metadata.example/'))
    await expect(request).rejects.toMatchObject({ reason: 'forbidden_address', allowedBy: undefined })
    await cloud.close()
  })

  it('does not serve a strict request over a connection that a lenient one opened', async () => {
    await using server = await bareServer(() => httpAnswer(200, { 'keep-alive': 'timeout=60' }))
    const name = `http://localhost:${String(server.port)}/`
    const local = createOutbound({
      clock: systemClock,
      resolveAll: (_host, done) => {
        done(null, [{ address: '127.0.0.1', family: 4 }])
      },
    })
    const shop = `http://shop.example:${String(server.port)}/`
    expect((await local.request(to(shop))).status).toBe(200)
    await connectionIsFree()
    expect((await local.request(to(shop))).status).toBe(200)
    expect(server.connections).toBe(1)
    await expect(local.request(to(shop, { allowPrivate: false }))).rejects.toMatchObject({
      reason: 'forbidden_address',
    })
    await expect(local.request(to(name, { allowPrivate: false }))).rejects.toMatchObject({
      reason: 'forbidden_address',
    })
    expect(server.requests).toHaveLength(2)
    await local.close()
  })

  describe('redirects of a GET', () => {
    it('are followed up to the limit, relative ones too', async () => {
      await using server = await bareServer((_request, _socket, nth) =>
        nth < 3
          ? httpAnswer([301, 302, 308][nth] ?? 302, { location: `/hop${String(nth)}` })
          : httpAnswer(200, {}, 'end'),
      )
      const answer = await outbound.request(to(server.origin, { maxRedirects: 3 }))
      expect(answer.body.toString()).toBe('end')
      expect(server.requests.map((request) => request.split(' ')[1])).toEqual(['/', '/hop0', '/hop1', '/hop2'])
    })

    it('end at the limit', async () => {
      await using server = await bareServer(() => httpAnswer(302, { location: '/again' }))
      const request = outbound.request(to(server.origin, { maxRedirects: 3 }))
      await expect(request).rejects.toMatchObject({ reason: 'too_many_redirects' })
      expect(server.requests).toHaveLength(4)
    })

    it.each([
      ['http://169.254.169.254/latest/meta-data/', 'forbidden_scheme'],
      ['https://169.254.169.254/latest/meta-data/', 'forbidden_address'],
      ['//169.254.169.254/', 'forbidden_scheme'],
      ['file:///etc/passwd', 'forbidden_scheme'],
      ['https://[::ffff:169.254.169.254]/', 'forbidden_address'],
      ['https://localhost/', 'forbidden_address'],
      ['https://user@shop.example/', 'invalid_url'],
    ])('are judged anew at each hop: %s', async (location, reason) => {
      await using server = await bareServer(() => httpAnswer(302, { location }))
      const trusted = { allowHttp: false, allowPrivate: false, trustedOrigin: server.origin, maxRedirects: 3 }
      await expect(outbound.request(to(server.origin, trusted))).rejects.toMatchObject({ reason })
      expect(server.requests).toHaveLength(1)
    })

    it('lead from a trusted origin to no other private one', async () => {
      await using target = await bareServer(() => httpAnswer(200, {}, 'secret'))
      await using server = await bareServer(() => httpAnswer(302, { location: target.origin }))
      const rules = { allowHttp: true, allowPrivate: false, trustedOrigin: server.origin, maxRedirects: 3 }
      await expect(outbound.request(to(server.origin, rules))).rejects.toMatchObject({ reason: 'forbidden_address' })
      expect(target.connections).toBe(0)
    })

    it('share one time limit', async () => {
      await using server = await bareServer((_request, socket) => {
        setTimeout(() => socket.write(httpAnswer(302, { location: '/again' })), 100)
        return undefined
      })
      const request = outbound.request(to(server.origin, { maxRedirects: 50, totalTimeoutMs: 350 }))
      await expect(request).rejects.toMatchObject({ reason: 'timeout' })
      expect(server.requests.length).toBeLessThanOrEqual(4)
    })
  })

  describe('a broken exchange', () => {
    it('is a failed connection, and not sent, where nobody listens', async () => {
      const server = createServer().listen(0, '127.0.0.1')
      await once(server, 'listening')
      const { port } = server.address() as AddressInfo
      server.close()
      await once(server, 'close')
      const request = outbound.request(to(`http://127.0.0.1:${String(port)}/`))
      await expect(request).rejects.toMatchObject({ reason: 'connect', sent: false })
    })

    it('is a failed connection, and not sent, where TLS cannot be agreed', async () => {
      await using server = await bareServer(() => httpAnswer(200, {}))
      const raw = createServer((socket) => {
        socket.on('error', () => undefined)
        socket.end('this is no TLS\r\n\r\n')
      }).listen(0, '127.0.0.1')
      await once(raw, 'listening')
      const { port } = raw.address() as AddressInfo
      const request = outbound.request(to(`https://127.0.0.1:${String(port)}/`))
      await expect(request).rejects.toMatchObject({ reason: 'connect', sent: false })
      raw.close()
      expect(server.connections).toBe(0)
    })

    it('is a failed connection, and not sent, where DNS never answers', async () => {
      const mute = createOutbound({ clock: systemClock, resolveAll: () => undefined })
      const request = mute.request(to('https://shop.example/', { connectTimeoutMs: 100 }))
      await expect(request).rejects.toMatchObject({ reason: 'connect', sent: false })
      await mute.close()
    })

    it('times out, and was sent, where the answer never starts or never ends', async () => {
      await using silent = await bareServer(() => undefined)
      const first = outbound.request(to(silent.origin, { totalTimeoutMs: 150 }))
      await expect(first).rejects.toMatchObject({ reason: 'timeout', sent: true, status: undefined })
      await using endless = await bareServer(() => 'HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\nhalf')
      const second = outbound.request(to(endless.origin, { totalTimeoutMs: 150 }))
      await expect(second).rejects.toMatchObject({ reason: 'timeout', sent: true, status: 200 })
    })

    it('is cut, and was sent, where the socket goes before, in or short of the answer', async () => {
      const written = [
        undefined,
        'HTTP/1.1 200 O',
        'HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\nhalf',
        'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n',
        'not http at all\r\n\r\n',
      ]
      for (const text of written) {
        await using server = await bareServer((_request, socket) => {
          if (text === undefined) socket.resetAndDestroy()
          else socket.end(text)
          return undefined
        })
        await expect(outbound.request(to(server.origin))).rejects.toMatchObject({ reason: 'cut', sent: true })
        expect(server.requests).toHaveLength(1)
      }
    })

    it('is too large by what is announced, before a byte is read, or by what comes', async () => {
      await using announced = await bareServer(() => 'HTTP/1.1 200 OK\r\ncontent-length: 1001\r\n\r\n')
      const first = outbound.request(to(announced.origin))
      await expect(first).rejects.toMatchObject({ reason: 'too_large', status: 200 })
      await using endless = await bareServer((_request, socket) => {
        socket.write('HTTP/1.1 200 OK\r\n\r\n')
        const flood = setInterval(() => socket.write(Buffer.alloc(300)), 1)
        socket.on('close', () => {
          clearInterval(flood)
        })
        return undefined
      })
      await expect(outbound.request(to(endless.origin))).rejects.toMatchObject({ reason: 'too_large', status: 200 })
      await using exact = await bareServer(() => httpAnswer(200, {}, Buffer.alloc(1_000)))
      expect((await outbound.request(to(exact.origin))).body).toHaveLength(1_000)
    })

    it('is too slow where the body drips, and fine where it is slow to start but quick enough', async () => {
      const dripping = (everyMs: number, times: number) => (_request: string, socket: Socket) => {
        socket.write(`HTTP/1.1 200 OK\r\ncontent-length: ${String(times * 10)}\r\n\r\n`)
        const drip = setInterval(() => socket.write('x'.repeat(10)), everyMs)
        socket.on('close', () => {
          clearInterval(drip)
        })
        return undefined
      }
      const minRate = { bytes: 15, windowMs: 200 }
      await using slow = await bareServer(dripping(150, 100))
      await expect(outbound.request(to(slow.origin, { minRate }))).rejects.toMatchObject({ reason: 'too_slow' })
      await using stalling = await bareServer(() => `HTTP/1.1 200 OK\r\ncontent-length: 900\r\n\r\n${'x'.repeat(500)}`)
      await expect(outbound.request(to(stalling.origin, { minRate }))).rejects.toMatchObject({ reason: 'too_slow' })
      await using steady = await bareServer(dripping(20, 25))
      expect((await outbound.request(to(steady.origin, { minRate }))).body).toHaveLength(250)
    })

    it('is given up when the caller says so, before and while it runs', async () => {
      await using server = await bareServer((_request, socket) => {
        setTimeout(() => {
          controller.abort()
        }, 20)
        socket.write('HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf')
        return undefined
      })
      const controller = new AbortController()
      const running = outbound.request(to(server.origin, { signal: controller.signal }))
      await expect(running).rejects.toMatchObject({ reason: 'aborted', sent: true })
      const late = outbound.request(to(server.origin, { signal: controller.signal }))
      await expect(late).rejects.toMatchObject({ reason: 'aborted', sent: false })
      expect(server.requests).toHaveLength(1)
    })

    it('leaves no connection open behind a request that was given up', async () => {
      let closed = 0
      await using server = await bareServer((_request, socket) => {
        socket.on('close', () => {
          closed += 1
        })
        return undefined
      })
      await outbound.request(to(server.origin, { totalTimeoutMs: 50 })).catch(() => undefined)
      await expect.poll(() => closed).toBe(1)
    })
  })

  it('counts a kept connection that dies under the next request as sent, and does not send again by itself', async () => {
    await using server = await bareServer((_request, socket, nth) => {
      if (nth === 0) return httpAnswer(200, {}, 'first')
      socket.resetAndDestroy()
      return undefined
    })
    expect((await outbound.request(to(server.origin, { method: 'POST', body: Buffer.from('1') }))).status).toBe(200)
    await connectionIsFree()
    const second = outbound.request(to(server.origin, { method: 'POST', body: Buffer.from('2') }))
    await expect(second).rejects.toMatchObject({ reason: 'cut', sent: true })
    expect(server.connections).toBe(1)
    expect(server.requests).toHaveLength(2)
  })
})
