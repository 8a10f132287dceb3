import { randomBytes } from 'node:crypto'
import { Webhook } from 'standardwebhooks'
import { afterAll, describe, expect, it } from 'vitest'
import { createOutbound } from '../../../../src/shared/outbound/fetch.ts'
import { systemClock } from '../../../../src/shared/process/clock.ts'
import { sendDelivery } from '../../../../src/shared/webhooks/send-delivery.ts'
import { fastClock } from '../../../support/fast-clock.ts'
import { bareServer, httpAnswer } from '../../../support/bare-server.ts'
import type { DeliveryResult } from '../../../../src/shared/webhooks/send-delivery.ts'

const outbound = createOutbound({ clock: systemClock })
const secret = `whsec_${randomBytes(32).toString('base64')}`
const body = Buffer.from('{"type":"batch.completed","timestamp":"2026-11-24T12:00:00Z","data":{"name":"Schuhe 👟"}}')
const open = { allowHttp: true, allowPrivate: true }

afterAll(async () => {
  await outbound.close()
})

async function deliver(url: string, rules = open, through = outbound): Promise<DeliveryResult> {
  const delivery = { url, secret, id: 'msg_0123456789abcdef0123456789abcdef', body, userAgent: 'cratework/0.1.0' }
  return sendDelivery({ outbound: through, clock: systemClock, rules }, delivery)
}

function headersOf(request: string): Record<string, string> {
  const lines = request.split('\r\n\r\n')[0]?.split('\r\n').slice(1) ?? []
  return Object.fromEntries(lines.map((line) => line.split(': ') as [string, string]))
}

describe('sendDelivery', () => {
  it('posts the exact bytes, signed so that the public package verifies them', async () => {
    await using server = await bareServer(() => httpAnswer(204, {}))
    expect(await deliver(`${server.origin}/hook?shop=1`)).toEqual({ outcome: 'delivered', status: 204 })
    const request = server.requests[0] ?? ''
    const sent = Buffer.from(request.slice(request.indexOf('\r\n\r\n') + 4), 'latin1')
    const headers = headersOf(request)
    expect(request).toMatch(/^POST \/hook\?shop=1 HTTP\/1\.1/)
    expect(sent.equals(body)).toBe(true)
    expect(headers).toMatchObject({ 'content-type': 'application/json', 'user-agent': 'cratework/0.1.0' })
    expect(new Webhook(secret).verify(sent, headers)).toMatchObject({ type: 'batch.completed' })
  })

  it.each([
    [200, {}, 'delivered', undefined],
    [299, {}, 'delivered', undefined],
    [301, { location: 'http://169.254.169.254/' }, 'retry', undefined],
    [308, { location: '/again' }, 'retry', undefined],
    [400, {}, 'retry', undefined],
    [404, { 'retry-after': '9' }, 'retry', undefined],
    [410, {}, 'gone', undefined],
    [429, { 'retry-after': '3600' }, 'retry', 3_600_000],
    [500, { 'retry-after': '9' }, 'retry', undefined],
    [502, { 'retry-after': '9' }, 'retry', 9_000],
    [503, { 'retry-after': '999999' }, 'retry', 86_400_000],
    [504, {}, 'retry', undefined],
  ] as const)('makes of the status %i with %j: %s, waiting %s ms', async (status, headers, outcome, retryAfterMs) => {
    await using server = await bareServer(() => httpAnswer(status, headers))
    const result = await deliver(server.origin)
    const error = outcome === 'delivered' ? undefined : `the receiver answered ${String(status)}`
    expect(result).toEqual({ outcome, status, error, retryAfterMs })
    expect(server.requests).toHaveLength(1)
  })

  it('reads at most 64 KiB of the answer, and lets the status decide', async () => {
    await using generous = await bareServer(() => httpAnswer(200, {}, Buffer.alloc(10_000_000)))
    expect(await deliver(generous.origin)).toEqual({ outcome: 'delivered', status: 200 })
    await using faulty = await bareServer(() => httpAnswer(500, {}, Buffer.alloc(10_000_000)))
    expect(await deliver(faulty.origin)).toMatchObject({ outcome: 'retry', status: 500 })
    await using cut = await bareServer((_request, socket) => {
      socket.end('HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf')
      return undefined
    })
    expect(await deliver(cut.origin)).toEqual({ outcome: 'delivered', status: 200 })
  })

  it('waits 20 s for a receiver that takes the event and says nothing, or drips its head', async () => {
    const quick = createOutbound({ clock: fastClock(25) })
    const result = { outcome: 'retry', error: 'no whole answer within 20 s' }
    await using silent = await bareServer(() => undefined)
    expect(await deliver(silent.origin, open, quick)).toEqual(result)
    await using dripping = await bareServer((_request, socket) => {
      socket.write('HTTP/1.1 200 OK\r\n')
      const drip = setInterval(() => socket.write('x: y\r\n'), 10)
      socket.on('close', () => {
        clearInterval(drip)
      })
      return undefined
    })
    expect(await deliver(dripping.origin, open, quick)).toEqual(result)
    await quick.close()
  })

  it('waits 5 s for a connection', async () => {
    const quick = createOutbound({ clock: fastClock(25), resolveAll: () => undefined })
    const result = await deliver('https://shop.example/', open, quick)
    expect(result).toEqual({ outcome: 'retry', error: 'no connection within 5 s' })
    await quick.close()
  })

  it('tries again what was cut before a status came', async () => {
    await using server = await bareServer((_request, socket) => {
      socket.resetAndDestroy()
      return undefined
    })
    const result = await deliver(server.origin)
    expect(result).toEqual({ outcome: 'retry', error: expect.stringContaining('ECONNRESET') as string })
  })

  it('refuses http and private receivers where they are not allowed, naming the variable', async () => {
    await using server = await bareServer(() => httpAnswer(200, {}))
    const http = await deliver(server.origin, { allowHttp: false, allowPrivate: true })
    expect(http).toMatchObject({ outcome: 'retry', error: expect.stringContaining('WEBHOOK_ALLOW_HTTP') as string })
    const inside = await deliver(server.origin, { allowHttp: true, allowPrivate: false })
    expect(inside).toMatchObject({
      outcome: 'retry',
      error: expect.stringContaining('WEBHOOK_ALLOW_PRIVATE') as string,
    })
    const byName = `http://localhost:${String(server.port)}/`
    const named = await deliver(byName, { allowHttp: true, allowPrivate: false })
    expect(named).toMatchObject({ outcome: 'retry', error: expect.stringContaining('WEBHOOK_ALLOW_PRIVATE') as string })
    expect(server.connections).toBe(0)
  })
})
