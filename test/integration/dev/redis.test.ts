import { mkdtemp, rm } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { startRedis } from '../../../src/dev/redis.ts'

let folder: string

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'redis-test-'))
})

afterEach(async () => {
  await rm(folder, { recursive: true, force: true })
})

/** Sends one inline command and gives the first answer. */
async function ask(port: number, command: string): Promise<string> {
  const socket = connect(port, '127.0.0.1')
  socket.write(`${command}\r\n`)
  const answer = await new Promise<string>((resolve, reject) => {
    socket.once('data', (data) => {
      resolve(data.toString().trim())
    })
    socket.once('error', reject)
  })
  socket.destroy()
  return answer
}

describe('startRedis', () => {
  it('comes back on the same folder with what it acknowledged before a SIGKILL', async () => {
    const first = await startRedis({ folder })
    expect(await ask(first.port, 'SET colour teal')).toBe('+OK')
    first.kill()
    expect(await first.ended).toContain('SIGKILL')

    await using second = await startRedis({ folder, port: first.port })
    expect(second.port).toBe(first.port)
    expect(await ask(second.port, 'GET colour')).toBe('$4\r\nteal')
  })

  it('never evicts, and may be stopped twice', async () => {
    const redis = await startRedis({ folder })
    expect(await ask(redis.port, 'CONFIG GET maxmemory-policy')).toContain('noeviction')
    await redis.stop()
    await redis.stop()
    await expect(ask(redis.port, 'PING')).rejects.toThrow('ECONNREFUSED')
  })

  it('says in its error what the program printed when a given port is taken', async () => {
    await using redis = await startRedis({ folder })
    await expect(startRedis({ folder: join(folder, 'other'), port: redis.port })).rejects.toThrow(
      /Address already in use/,
    )
  })
})
