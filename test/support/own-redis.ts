import { cp, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freePort } from '../../src/dev/ports.ts'
import { startRedis, type Redis } from '../../src/dev/redis.ts'

/** A Redis that a test may kill, put back to an earlier state, and start again under the same URL. */
export interface OwnRedis extends AsyncDisposable {
  readonly url: string
  kill(): Promise<void>
  start(): Promise<void>
  /** Keeps what is on its disk now. */
  remember(): Promise<void>
  /** Puts its disk back to what was remembered; it must not run. */
  putBack(): Promise<void>
}

export async function startOwnRedis(): Promise<OwnRedis> {
  const folder = await mkdtemp(join(tmpdir(), 'cratework-redis-'))
  const port = await freePort()
  const data = join(folder, 'data')
  const kept = join(folder, 'kept')
  const launch = (): Promise<Redis> => startRedis({ folder: data, port, appendonly: true })
  let redis = await launch()
  return {
    url: redis.url,
    async kill() {
      redis.kill()
      await redis.ended
    },
    async start() {
      redis = await launch()
    },
    async remember() {
      await rm(kept, { recursive: true, force: true })
      await cp(data, kept, { recursive: true })
    },
    async putBack() {
      await rm(data, { recursive: true, force: true })
      await cp(kept, data, { recursive: true })
    },
    async [Symbol.asyncDispose]() {
      await redis.stop()
      await rm(folder, { recursive: true, force: true })
    },
  }
}
