import { connect } from 'node:net'
import { describe, expect, it } from 'vitest'
import { startApi } from '../../../src/api/main.ts'
import { freePort } from '../../../src/dev/ports.ts'
import { startTestApi } from '../../support/api.ts'
import { items, small } from '../../support/catalog.ts'
import { eventually } from '../../support/eventually.ts'

describe('startApi', () => {
  it('tells of life and readiness on both ports, and counts on the metrics port alone', async () => {
    await using test = await startTestApi(import.meta.filename)
    const metrics = `http://127.0.0.1:${String(test.api.metricsPort)}`
    const ready = await fetch(`${test.api.url}/readyz`)
    expect(ready.status).toBe(200)
    expect(await ready.json()).toEqual({
      status: 'ready',
      checks: { redis: 'ok', storage: 'ok' },
      lanes: { provider: 'open', storage: 'open' },
    })
    expect((await fetch(`${test.api.url}/livez`)).status).toBe(200)
    expect((await fetch(`${metrics}/livez`)).status).toBe(200)
    expect((await fetch(`${metrics}/readyz`)).status).toBe(200)
    await test.send('GET', '/v1/batches/batch_01ARZ3NDEKTSV4RRFFQ69G5FAV')
    await test.send('GET', '/v1/nowhere')
    await eventually(
      async () => {
        const text = await (await fetch(`${metrics}/metrics`)).text()
        const counted = (route: string): boolean =>
          text.includes(`cratework_http_request_duration_seconds_count{method="GET",route="${route}",status="404"} 1`)
        return counted('/v1/batches/:id') && counted('unknown')
      },
      { what: 'the requests to be counted' },
    )
  })

  it('listens once it can reach Redis: who asks at once is answered', async () => {
    await using test = await startTestApi(import.meta.filename)
    expect((await test.submit({ items: items(1), defaults: small })).status).toBe(202)
  })

  it('refuses a port that is in use, names the variable, and leaves nothing listening', async () => {
    await using test = await startTestApi(import.meta.filename)
    const { config } = test.parts
    const taken = { ...test.parts, config: { ...config, port: test.api.port } }
    await expect(startApi(taken)).rejects.toThrow(
      `PORT: cannot listen on 127.0.0.1:${String(test.api.port)}: the port is in use`,
    )
    const port = await freePort()
    const metricsPort = { value: test.api.metricsPort ?? 0, explicit: true }
    const halfTaken = { ...test.parts, config: { ...config, port, metricsPort } }
    await expect(startApi(halfTaken)).rejects.toThrow(/^METRICS_PORT: cannot/)
    await expect(fetch(`http://127.0.0.1:${String(port)}/livez`)).rejects.toThrow('fetch failed')
  })

  it('stops without cutting a request that is under way, and twice harmlessly', async () => {
    await using test = await startTestApi(import.meta.filename)
    const body = JSON.stringify({ items: items(1), defaults: small })
    const socket = connect(test.api.port, '127.0.0.1')
    let received = ''
    socket.on('data', (data) => {
      received += data.toString()
    })
    socket.write(
      `POST /v1/batches HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${test.key}\r\nContent-Type: application/json\r\n` +
        `Content-Length: ${String(body.length)}\r\n\r\n${body.slice(0, 10)}`,
    )
    // Once this is answered, the server has seen what came before it.
    expect((await test.send('GET', '/livez')).status).toBe(200)
    const stopped = Promise.all([test.api.stop(), test.api.stop()])
    await expect(test.send('GET', '/livez')).rejects.toThrow('fetch failed')
    socket.write(body.slice(10))
    await stopped
    await eventually(() => received.startsWith('HTTP/1.1 202 '), { what: 'the answer' })
    socket.destroy()
  })
})
