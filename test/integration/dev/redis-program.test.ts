import { once } from 'node:events'
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { findRedis } from '../../../src/dev/redis-program.ts'

let folder: string
let said: string[]

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'redis-program-test-'))
  said = []
})

afterEach(async () => {
  await rm(folder, { recursive: true, force: true })
})

/** A machine whose PATH is `folder` alone and whose Docker socket is in it. */
async function find() {
  const env = { PATH: folder, DOCKER_HOST: `unix://${join(folder, 'docker.sock')}` }
  return findRedis({ env, say: (line) => said.push(line), unpackInto: join(folder, 'unpacked') })
}

async function putProgram(name: string, version: string): Promise<void> {
  await writeFile(join(folder, name), `#!/bin/sh\necho "${version}"\n`)
  await chmod(join(folder, name), 0o755)
}

describe('findRedis', () => {
  it('takes the one on PATH', async () => {
    await putProgram('redis-server', 'Redis server v=7.0.15 sha=00000000:0 malloc=jemalloc-5.3.0 bits=64')
    expect(await find()).toMatchObject({ command: 'redis-server' })
  })

  it('takes a Valkey as well, and passes over a Redis that is too old', async () => {
    await putProgram('redis-server', 'Redis server v=5.0.14 sha=00000000:0 malloc=jemalloc-5.1.0 bits=64')
    await putProgram('valkey-server', 'Valkey server v=8.1.1 sha=00000000:0 malloc=jemalloc-5.3.0 bits=64')
    expect(await find()).toMatchObject({ command: 'valkey-server' })
    expect(said).toEqual(['redis-server 5.0.14 on PATH is older than 6.2'])
  })

  it('takes a container where only a Docker engine answers', async () => {
    const engine = createServer().listen(join(folder, 'docker.sock'))
    await once(engine, 'listening')
    expect(await find()).toMatchObject({ image: 'redis:7.4-alpine' })
    engine.close()
  })

  it('says in one line what to install where there is none', async () => {
    await expect(find()).rejects.toThrow(/^No Redis 6\.2 or later was found\. .*; or set REDIS_URL to one that runs\.$/)
  })
})
