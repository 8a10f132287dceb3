import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { once } from 'node:events'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { AddressInfo } from 'node:net'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { endCommands, nothingRuns, startCommand, type Command } from '../support/command.ts'
import { eventually } from '../support/eventually.ts'

let folder: string

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'up-test-'))
})

afterEach(async () => {
  await endCommands(folder)
  await rm(folder, { recursive: true, force: true })
})

interface Place {
  readonly url: string
  readonly key: string
}

/** Starts it and reads what a person would read. */
async function startUp(env: Record<string, string> = {}): Promise<{ up: Command; place: Place }> {
  const up = startCommand(['up', '--folder', folder], env)
  await up.until('Ctrl-C stops everything')
  const url = /^ {2}API +(http\S+)$/m.exec(up.said())?.[1] ?? ''
  const key = /^ {2}API key +(\S+)$/m.exec(up.said())?.[1] ?? ''
  return { up, place: { url, key } }
}

async function ask<T>({ url, key }: Place, path: string, body?: object): Promise<T> {
  const sent = body === undefined ? {} : { method: 'POST', body: JSON.stringify(body) }
  const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json' }
  const answer = await fetch(`${url}${path}`, { headers, ...sent })
  if (!answer.ok) throw new Error(await answer.text())
  return (await answer.json()) as T
}

const oneImage = { items: [{ prompt: 'A shoe on white', model: 'black-forest-labs/FLUX.1-schnell' }] }

describe('cratework up', () => {
  it('is API and worker with nothing configured, ends with 0 at SIGTERM, and has key and batches still when started again', async () => {
    const first = await startUp()
    const { id } = await ask<{ id: string }>(first.place, '/v1/batches', oneImage)
    const status = async (place: Place) => (await ask<{ status: string }>(place, `/v1/batches/${id}`)).status
    await eventually(async () => (await status(first.place)) === 'completed', { withinMs: 30_000, what: 'the image' })
    first.up.signal('SIGTERM')
    expect(await first.up.ended, first.up.said()).toBe(0)
    await nothingRuns(folder)

    const second = await startUp()
    expect(second.place.key).toBe(first.place.key)
    expect(await status(second.place)).toBe('completed')
    second.up.signal('SIGINT')
    expect(await second.up.ended).toBe(0)
  })

  it('finishes what is in flight before it ends', async () => {
    const { up, place } = await startUp()
    const { id } = await ask<{ id: string }>(place, '/v1/batches', oneImage)
    const counts = async () => {
      const batch = await ask<{ request_counts: { in_progress: number } }>(place, `/v1/batches/${id}`)
      return batch.request_counts
    }
    await eventually(async () => (await counts()).in_progress === 1, { withinMs: 30_000, what: 'the call' })
    up.signal('SIGTERM')
    expect(await up.ended, up.said()).toBe(0)
    expect(up.said()).toContain('worker has stopped')

    const again = await startUp()
    const seen = await ask<{ request_counts: { succeeded: number } }>(again.place, `/v1/batches/${id}`)
    expect(seen.request_counts.succeeded).toBe(1)
    again.up.signal('SIGKILL')
  })

  it('ends with 1 when an embedded part ends by itself, and says which', async () => {
    const { up } = await startUp()
    const port = /redis:\/\/127\.0\.0\.1:(\d+)/.exec(up.said())?.[1] ?? ''
    const { Redis } = await import('ioredis')
    const redis = new Redis(Number(port), '127.0.0.1', { retryStrategy: null })
    redis.on('error', () => undefined)
    await redis.shutdown().catch(() => undefined)
    expect(await up.ended).toBe(1)
    expect(up.said()).toMatch(/^cratework: Redis ended with code 0, and nothing goes on without it\./m)
  })

  it('shows no secret of the environment, and takes no other port than the one that is set', async () => {
    await using taken = createServer().listen(0, '127.0.0.1')
    await once(taken, 'listening')
    const key = 'k'.repeat(40)
    const port = String((taken.address() as AddressInfo).port)
    const refused = startCommand(['up', '--folder', folder], { PORT: port, CRATEWORK_API_KEY: key })
    expect(await refused.ended).toBe(2)
    expect(refused.said()).toContain(`cratework: PORT: cannot listen on 127.0.0.1:${port}: the port is in use`)
    await nothingRuns(folder)

    const { up } = await startUp({ PORT: '0', CRATEWORK_API_KEY: key })
    expect(up.said()).toContain('the one in CRATEWORK_API_KEY')
    expect(up.said()).not.toContain(key)
  })
})
