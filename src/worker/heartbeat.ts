import { z } from 'zod'
import { holdKeys } from '../shared/batch/hold.ts'
import type { Clock } from '../shared/process/clock.ts'
import type { Redis } from '../shared/redis/connect.ts'
import type { Keys } from '../shared/redis/keys.ts'
import { defineScript } from '../shared/redis/script.ts'
import type { Attempts } from './attempts.ts'

const beatScript = defineScript({
  file: new URL('./beat.lua', import.meta.url),
  libraries: [new URL('../shared/batch/states.lua', import.meta.url)],
  keys: ['beats', 'workers'],
  args: ['process', 'lease_ms', 'places'],
  answer: z.number(),
})

const restoreScript = defineScript({
  file: new URL('./restore-fence.lua', import.meta.url),
  libraries: [
    new URL('../shared/batch/states.lua', import.meta.url),
    new URL('../shared/batch/fence.lua', import.meta.url),
    new URL('../shared/batch/budget.lua', import.meta.url),
  ],
  keys: ['fence', 'live', 'states', 'claimed'],
  args: ['process', 'attempt', 'batch', 'index', 'round', 'calling', 'reserved_nano', 'url'],
  answer: z.number(),
})

export interface HeartbeatParts {
  readonly redis: Redis
  readonly keys: Keys
  readonly clock: Clock
  readonly attempts: Attempts
  readonly lockMs: number
  /** Items that this process can take at once, as of now. */
  readonly places: () => number
  readonly onError: (error: Error) => void
}

export interface Heartbeat {
  /** Ends the lease at once: what this process held is free. */
  stop(): Promise<void>
}

/**
 * Says that this process lives, every eighth of the lock time, for three quarters of it. It goes on as long as the
 * process does: an answer that is not stored yet is still ours.
 */
export async function startHeartbeat(parts: HeartbeatParts): Promise<Heartbeat> {
  const { redis, keys, attempts } = parts
  // A Redis that was restarted may have forgotten its last second: the newest fences, and not this lease.
  let cut = false
  redis.on('close', () => {
    cut = true
  })
  async function beat(): Promise<void> {
    const wasGone = await beatScript(
      redis,
      { beats: keys.beats, workers: keys.workers },
      { process: attempts.process, lease_ms: Math.floor((parts.lockMs * 3) / 4), places: parts.places() },
    )
    if (wasGone === 0 && !cut) return
    await restoreFences(redis, keys, attempts)
    cut = false
  }
  await beat()
  const cancel = parts.clock.every(Math.floor(parts.lockMs / 8), () => {
    beat().catch(parts.onError)
  })
  return {
    async stop() {
      cancel()
      await redis.zrem(keys.beats, attempts.process)
      await redis.hdel(keys.workers, attempts.process)
    },
  }
}

/** The lease first, then the fences: who finds a fence must find its holder alive. */
async function restoreFences(redis: Redis, keys: Keys, attempts: Attempts): Promise<void> {
  for (const { hold, calling, reservedNano, url } of attempts.all()) {
    const { fence, live, states, claimed } = holdKeys(keys, hold)
    await restoreScript(
      redis,
      { fence, live, states, claimed },
      {
        process: hold.process,
        attempt: hold.attempt,
        batch: hold.batch,
        index: hold.index,
        round: hold.round,
        calling: calling ? '1' : '0',
        reserved_nano: reservedNano,
        url: url ?? '',
      },
    )
  }
}
