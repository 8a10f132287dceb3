import { createServer } from 'node:http'
import { Writable } from 'node:stream'
import { describe, expect, it } from 'vitest'
import { systemClock } from '../../../../src/shared/process/clock.ts'
import { newReadiness, startHealthServer } from '../../../../src/shared/process/health.ts'
import { listen } from '../../../../src/shared/process/listen.ts'
import { openLog } from '../../../../src/shared/process/log.ts'
import { openMetrics } from '../../../../src/shared/process/metrics.ts'

const host = '127.0.0.1'

function newParts(metricsPort: { value: number; explicit: boolean }) {
  const lines: string[] = []
  const log = openLog(
    { level: 'warn', format: 'json' },
    new Writable({
      write(line: Buffer, _encoding, done) {
        lines.push(String(line))
        done()
      },
    }),
  )
  return {
    parts: { config: { metricsPort, metricsHost: host }, clock: systemClock, log, metrics: openMetrics() },
    lines,
  }
}

async function takenPort(): Promise<{ port: number } & AsyncDisposable> {
  const server = createServer()
  const port = await listen(server, { host, port: 0, variable: 'PORT' })
  return {
    port,
    [Symbol.asyncDispose]: () =>
      new Promise((resolve) => {
        server.close(() => {
          resolve()
        })
      }),
  }
}

async function get(port: number, path: string): Promise<{ status: number; body: string }> {
  const response = await fetch(`http://${host}:${String(port)}${path}`)
  return { status: response.status, body: await response.text() }
}

describe('startHealthServer', () => {
  it('serves metrics, life and readiness', async () => {
    const { parts } = newParts({ value: 0, explicit: true })
    let redis = 'up'
    const readiness = newReadiness(parts, {
      redis: () => (redis === 'up' ? Promise.resolve() : Promise.reject(new Error('away'))),
    })
    await using server = await startHealthServer(parts, readiness)
    expect((await get(server.port, '/metrics')).body).toContain('cratework_')
    expect(await get(server.port, '/livez')).toEqual({ status: 200, body: '{"status":"ok"}' })
    expect(await get(server.port, '/readyz')).toEqual({
      status: 200,
      body: '{"status":"ready","checks":{"redis":"ok"}}',
    })
    redis = 'down'
    expect(await get(server.port, '/readyz')).toEqual({
      status: 503,
      body: '{"status":"not_ready","checks":{"redis":"failed"}}',
    })
    redis = 'up'
    readiness.stopping()
    expect((await get(server.port, '/readyz')).status).toBe(503)
    expect((await get(server.port, '/livez')).status).toBe(200)
    expect((await get(server.port, '/')).status).toBe(404)
    expect((await fetch(`http://${host}:${String(server.port)}/metrics`, { method: 'POST' })).status).toBe(405)
  })

  it('takes a check that does not answer for failed', async () => {
    const { parts } = newParts({ value: 0, explicit: true })
    const readiness = newReadiness(parts, { storage: () => new Promise(() => undefined) })
    expect(await readiness.read()).toEqual({ ready: false, checks: { storage: 'failed' } })
  })

  it('refuses to start on a port that was set and is in use, and names the variable', async () => {
    await using taken = await takenPort()
    const { parts } = newParts({ value: taken.port, explicit: true })
    await expect(startHealthServer(parts, newReadiness(parts, {}))).rejects.toThrow(
      `METRICS_PORT: cannot listen on ${host}:${String(taken.port)}: the port is in use`,
    )
  })

  it('takes a free port where the default one is in use, and logs which', async () => {
    await using taken = await takenPort()
    const { parts, lines } = newParts({ value: taken.port, explicit: false })
    await using server = await startHealthServer(parts, newReadiness(parts, {}))
    expect(server.port).not.toBe(taken.port)
    expect(lines.join('')).toContain(`metrics are on ${String(server.port)}`)
    await server.stop()
  })
})
