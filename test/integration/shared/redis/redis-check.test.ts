import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { startRedis } from '../../../../src/dev/redis.ts'
import { connect, type Redis } from '../../../../src/shared/redis/connect.ts'
import { redisFault } from '../../../../src/shared/redis/redis-check.ts'

/** A Redis that says this of itself. */
const saying = (info: string): Redis => ({ info: () => Promise.resolve(info) }) as Partial<Redis> as Redis

describe('redisFault', () => {
  it('finds nothing wrong with ours, and refuses it when it may throw keys away', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'redis-check-'))
    {
      await using program = await startRedis({ folder })
      const redis = connect(program.url, 'own', () => undefined)
      expect(await redisFault(redis)).toBeUndefined()
      await redis.config('SET', 'maxmemory-policy', 'allkeys-lru')
      expect(await redisFault(redis)).toBe('Redis must have maxmemory-policy noeviction, not allkeys-lru')
      redis.disconnect()
    }
    await rm(folder, { recursive: true, force: true })
  })

  it.each([
    ['5.0.14', true],
    ['6.0.16', true],
    ['6.2.0', false],
    ['7.4.1', false],
    ['10.0.0', false],
  ])('with version %s: too old is %s', async (version, tooOld) => {
    const fault = await redisFault(saying(`# Server\r\nredis_version:${version}\r\nmaxmemory_policy:noeviction\r\n`))
    expect(fault?.includes(version) === true).toBe(tooOld)
  })

  it('takes one that does not tell its policy, as some managed ones do', async () => {
    expect(await redisFault(saying('redis_version:7.2.0\r\n'))).toBeUndefined()
  })

  it('throws where there is none', async () => {
    const redis = connect('redis://127.0.0.1:1', 'api', () => undefined)
    await expect(redisFault(redis)).rejects.toThrow('writeable')
    redis.disconnect()
  })
})
