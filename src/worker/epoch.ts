import { z } from 'zod'
import { Failure } from '../shared/failures/failure.ts'
import type { Clock } from '../shared/process/clock.ts'
import type { Random } from '../shared/process/random.ts'
import type { Redis } from '../shared/redis/connect.ts'
import type { Keys } from '../shared/redis/keys.ts'
import { defineScript } from '../shared/redis/script.ts'
import type { Rebuilt } from './rebuild.ts'

const setScript = defineScript({
  file: new URL('./set-epoch.lua', import.meta.url),
  libraries: [new URL('../shared/batch/states.lua', import.meta.url)],
  keys: ['epoch'],
  args: ['run_id', 'quiet_ms', 'rebuild'],
  answer: z.enum(['set', 'lost']),
})

export interface EpochParts {
  /** A `guarded` connection of its own. */
  readonly redis: Redis
  readonly keys: Keys
  readonly clock: Clock
  readonly random: Random
  readonly lockMs: number
  /** Brings what the ledger knows into Redis. */
  readonly rebuild: () => Promise<Rebuilt>
  readonly onError: (error: Error) => void
}

/**
 * The guard before everything that may lead to a paid call. It sends a command only on a connection whose Redis was
 * held against the ledger: another run of Redis (restarted from an older file, failed over, flushed) may have
 * forgotten who is calling.
 */
export interface Epoch {
  /** Runs a script with the run id that it must compare. Throws `engine_away` where nothing may be claimed now. */
  guarded<T>(call: (redis: Redis, runId: string) => Promise<T>): Promise<T>
  /** Resolves when Redis was held against the ledger for the first time. */
  readonly known: Promise<void>
  /** Compares anew: a FLUSHALL cuts no connection. */
  check(): Promise<void>
  stop(): void
}

const againMs = 1000

/** Says in the epoch's hash that this rebuild is under way: what a FLUSHALL takes away with all that was rebuilt. */
function rebuildField(token: string): string {
  return `rebuild:${token}`
}

export function watchEpoch(parts: EpochParts): Epoch {
  const { redis, keys, clock } = parts
  let runId: string | undefined
  let cuts = 0
  let cutAt: number | undefined
  let quietUntil = 0
  let checking: Promise<void> | undefined
  const first = Promise.withResolvers<void>()

  redis.on('close', () => {
    runId = undefined
    cuts += 1
    cutAt ??= clock.monotonic()
  })
  redis.on('ready', () => {
    void compareUntilKnown()
  })

  async function compareUntilKnown(): Promise<void> {
    while (runId === undefined && redis.status === 'ready') {
      try {
        await check()
      } catch (error) {
        parts.onError(error instanceof Error ? error : new Error(String(error)))
        await clock.sleep(againMs)
      }
    }
  }

  async function compare(): Promise<void> {
    if (redis.status !== 'ready') return // `ready` compares
    let current: string
    for (;;) {
      const cutsBefore = cuts
      current = await runIdOfServer()
      const known = await redis.hget(keys.epoch, 'run_id')
      if (known === current && cuts === cutsBefore) break
      runId = undefined
      // A rebuild counts only if the next turn finds its epoch on the Redis that is there then.
      if (known !== current) await rebuildOnce(current, known === null)
    }
    // Others may take a process that was cut off for longer than half a lease for dead: let them speak first.
    if (cutAt !== undefined && clock.monotonic() - cutAt > parts.lockMs / 2)
      quietUntil = clock.monotonic() + parts.lockMs
    cutAt = undefined
    runId = current
    first.resolve()
  }

  async function runIdOfServer(): Promise<string> {
    const found = /run_id:(\w+)/.exec(await redis.info('server'))?.[1]
    if (found === undefined) throw new Error('Redis does not say its run_id')
    return found
  }

  /** One process holds Redis against the ledger; two would do no harm, but the work twice. */
  async function rebuildOnce(current: string, empty: boolean): Promise<void> {
    const lease = keys.lease('rebuild')
    while ((await redis.set(lease, current, 'PX', 30_000, 'NX')) !== 'OK') {
      await clock.sleep(250)
      if ((await redis.hget(keys.epoch, 'run_id')) === current) return
    }
    try {
      // Another may have been through with it just before the lease was free.
      if ((await redis.hget(keys.epoch, 'run_id')) === current) return
      const rebuild = parts.random.bytes(9).toString('base64url')
      await redis.hset(keys.epoch, rebuildField(rebuild), current)
      const { live, lost } = await parts.rebuild()
      // A Redis that came back older may have forgotten a claim on any live batch. One that was empty has only batches
      // that came since, and nobody claims without an epoch.
      const quiet = (empty ? lost : live) > 0
      const args = { run_id: current, quiet_ms: quiet ? parts.lockMs : 0, rebuild: rebuildField(rebuild) }
      await setScript(redis, { epoch: keys.epoch }, args)
    } finally {
      await redis.del(lease)
    }
  }

  function check(): Promise<void> {
    checking ??= compare().finally(() => {
      checking = undefined
    })
    return checking
  }

  return {
    known: first.promise,
    check,
    async guarded(call) {
      if (runId === undefined || clock.monotonic() < quietUntil) {
        throw new Failure({
          class: 'engine_away',
          code: 'provider_error',
          message: 'Redis is being held against the ledger',
        })
      }
      try {
        return await call(redis, runId)
      } catch (error) {
        if (error instanceof Failure) throw error
        throw new Failure({ class: 'engine_away', code: 'provider_error', message: 'Redis is away', cause: error })
      }
    },
    stop() {
      redis.disconnect()
    },
  }
}
