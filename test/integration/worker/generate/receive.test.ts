import { afterAll, describe, expect, it } from 'vitest'
import { Failure } from '../../../../src/shared/failures/failure.ts'
import { createOutbound } from '../../../../src/shared/outbound/fetch.ts'
import { OutboundError } from '../../../../src/shared/outbound/outbound-error.ts'
import { systemClock } from '../../../../src/shared/process/clock.ts'
import { receiveImage } from '../../../../src/worker/generate/receive.ts'
import { bareServer, httpAnswer } from '../../../support/bare-server.ts'
import { fastClock } from '../../../support/fast-clock.ts'
import { skippingClock } from '../../../support/skipping-clock.ts'
import type { ReceiveParts } from '../../../../src/worker/generate/receive.ts'

const outbound = createOutbound({ clock: systemClock })
afterAll(async () => {
  await outbound.close()
})

const image = Buffer.from('the bytes of an image')
const lost = { class: 'bad_output', code: 'output_invalid' }

function parts(trustedOrigin: string): ReceiveParts & { clock: ReturnType<typeof skippingClock> } {
  return { outbound, clock: skippingClock(), trustedOrigin, userAgent: 'cratework/0.1.0' }
}

const link = (url: string) => ({ kind: 'url', url }) as const

describe('receiveImage', () => {
  it('hands on bytes as they are', async () => {
    expect(await receiveImage(parts('http://127.0.0.1:1'), { kind: 'bytes', bytes: image })).toBe(image)
  })

  it('downloads from the trusted origin without a key and with a user agent', async () => {
    await using server = await bareServer(() => httpAnswer(200, {}, image))
    const bytes = await receiveImage(parts(server.origin), link(`${server.origin}/a.png?exp=1&sig=2`))
    expect(bytes.equals(image)).toBe(true)
    expect(server.requests[0]).toMatch(/^GET \/a\.png\?exp=1&sig=2 /)
    expect(server.requests[0]).toMatch(/\r\nuser-agent: cratework\/0\.1\.0\r\n/)
    expect(server.requests[0]).not.toMatch(/authorization/i)
  })

  it.each([
    'http://shop.example/a.png',
    'https://10.0.0.1/a.png',
    'https://169.254.169.254/',
    'https://localhost/a.png',
  ])('refuses %s at once: it is neither public https nor of the trusted origin', async (url) => {
    const given = parts('http://127.0.0.1:1/v1')
    await expect(receiveImage(given, link(url))).rejects.toMatchObject(lost)
    expect(given.clock.sleptMs).toEqual([])
  })

  it('refuses a private address of another port than the trusted one', async () => {
    await using other = await bareServer(() => httpAnswer(200, {}, image))
    await expect(receiveImage(parts('http://127.0.0.1:1'), link(other.origin))).rejects.toMatchObject(lost)
    expect(other.connections).toBe(0)
  })

  it('follows three redirects, and none to a private address', async () => {
    await using server = await bareServer((_request, _socket, nth) =>
      nth < 3 ? httpAnswer(302, { location: '/next' }) : httpAnswer(200, {}, image),
    )
    expect(await receiveImage(parts(server.origin), link(server.origin))).toEqual(image)
    await using looping = await bareServer(() => httpAnswer(302, { location: '/next' }))
    const given = parts(looping.origin)
    await expect(receiveImage(given, link(looping.origin))).rejects.toMatchObject(lost)
    expect(looping.requests).toHaveLength(4)
    await using leading = await bareServer(() => httpAnswer(302, { location: 'https://169.254.169.254/' }))
    await expect(receiveImage(parts(leading.origin), link(leading.origin))).rejects.toThrow('not a public address')
    expect(leading.requests).toHaveLength(1)
  })

  it.each([403, 404, 410])('tries a link that answers %i three times within half a minute', async (status) => {
    await using server = await bareServer(() => httpAnswer(status, {}, '<Error/>'))
    const given = parts(server.origin)
    const failure = await receiveImage(given, link(server.origin)).catch((error: unknown) => error)
    expect(failure).toBeInstanceOf(Failure)
    expect(failure).toMatchObject(lost)
    expect(server.requests).toHaveLength(3)
    const sum = given.clock.sleptMs.reduce((total, ms) => total + ms, 0)
    expect(sum).toBeGreaterThan(10_000)
    expect(sum).toBeLessThanOrEqual(30_000)
  })

  it('takes an image that comes at the second or third try', async () => {
    await using server = await bareServer((_request, socket, nth) => {
      if (nth === 0) return httpAnswer(404, {})
      if (nth === 1) return httpAnswer(503, {})
      if (nth === 2) socket.end('HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\nshort')
      if (nth === 3) socket.resetAndDestroy()
      return nth < 4 ? undefined : httpAnswer(200, {}, image)
    })
    expect(await receiveImage(parts(server.origin), link(server.origin))).toEqual(image)
    expect(server.requests).toHaveLength(5)
  })

  it('gives up a host that stays broken after about a minute', async () => {
    await using server = await bareServer(() => httpAnswer(500, {}))
    const given = parts(server.origin)
    await expect(receiveImage(given, link(server.origin))).rejects.toMatchObject(lost)
    const sum = given.clock.sleptMs.reduce((total, ms) => total + ms, 0)
    expect(sum).toBeGreaterThan(25_000)
    expect(sum).toBeLessThanOrEqual(60_000)
  })

  it('starts no download later than a minute after the first, however long each takes to fail', async () => {
    const given = parts('http://127.0.0.1:1')
    let downloads = 0
    const request = async (): Promise<never> => {
      downloads += 1
      await given.clock.sleep(25_000)
      throw new OutboundError({ reason: 'timeout', message: 'no whole answer within 25 s', sent: true })
    }
    const slow = { request, close: async () => Promise.resolve() }
    const running = receiveImage({ ...given, outbound: slow }, link('https://shop.example/a.png'))
    await expect(running).rejects.toMatchObject(lost)
    expect(downloads).toBe(3)
  })

  it('waits as long as a broken host asks', async () => {
    await using server = await bareServer((_request, _socket, nth) =>
      nth === 0 ? httpAnswer(503, { 'retry-after': '7' }) : httpAnswer(200, {}, image),
    )
    const given = parts(server.origin)
    await receiveImage(given, link(server.origin))
    expect(given.clock.sleptMs).toEqual([7_000])
  })

  it('does not take what is larger than 50 MiB, nor ask for it twice', async () => {
    await using server = await bareServer(() => 'HTTP/1.1 200 OK\r\ncontent-length: 52428801\r\n\r\n')
    await expect(receiveImage(parts(server.origin), link(server.origin))).rejects.toMatchObject(lost)
    expect(server.requests).toHaveLength(1)
  })

  it('gives up a link that drips: less than 1 KiB/s over 30 s', async () => {
    const quick = createOutbound({ clock: fastClock(60) })
    await using server = await bareServer((_request, socket) => {
      socket.write('HTTP/1.1 200 OK\r\ncontent-length: 999\r\n\r\n')
      const drip = setInterval(() => socket.write('x'), 5)
      socket.on('close', () => {
        clearInterval(drip)
      })
      return undefined
    })
    const given = { ...parts(server.origin), outbound: quick }
    await expect(receiveImage(given, link(server.origin))).rejects.toThrow('fewer than 30720 bytes in 30 s')
    expect(server.requests.length).toBeGreaterThan(1)
    await quick.close()
  })

  it('holds no more than the limit of a link that never ends', async () => {
    const block = Buffer.alloc(1024 * 1024)
    await using server = await bareServer((_request, socket) => {
      socket.write('HTTP/1.1 200 OK\r\n\r\n')
      const pour = (): void => {
        while (!socket.destroyed && socket.write(block));
      }
      socket.on('drain', pour)
      pour()
      return undefined
    })
    await expect(receiveImage(parts(server.origin), link(server.origin))).rejects.toThrow('more than 52428800 bytes')
    expect(server.requests).toHaveLength(1)
  })

  it('ends at once when the caller gives up', async () => {
    const controller = new AbortController()
    await using server = await bareServer(() => {
      controller.abort(new Error('stopping'))
      return undefined
    })
    const running = receiveImage(parts(server.origin), link(server.origin), controller.signal)
    await expect(running).rejects.toThrow('stopping')
    expect(server.requests).toHaveLength(1)
  })
})
