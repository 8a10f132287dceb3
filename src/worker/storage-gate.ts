import { Failure } from '../shared/failures/failure.ts'
import { closeLane, openLane } from '../shared/lanes/lane.ts'
import { StoreConflict, type Store } from '../shared/ledger/store.ts'
import type { Clock } from '../shared/process/clock.ts'
import type { Random } from '../shared/process/random.ts'
import type { Redis } from '../shared/redis/connect.ts'
import type { Keys } from '../shared/redis/keys.ts'

export interface StorageGateParts {
  readonly redis: Redis
  readonly keys: Keys
  readonly store: Store
  readonly clock: Clock
  readonly random: Random
  readonly onClosed: (failure: Failure) => void
}

/** S3 as the pipeline uses it: where it is away or denied, nobody calls, and what is in hand waits for it. */
export interface StorageGate {
  /**
   * Runs a step that needs S3, again and again until it works or the signal aborts. While it does not, the storage lane
   * is closed: no new call is paid whose image could not be stored.
   */
  persist<T>(what: 'read' | 'write', step: () => Promise<T>, signal: AbortSignal): Promise<T>
  /** Opens the lane where a write works again; does nothing where it does not. */
  tryAgain(): Promise<void>
}

const pauseMsMax = 10_000

export function newStorageGate(parts: StorageGateParts): StorageGate {
  const { redis, keys, store, clock, random } = parts
  return {
    async persist(what, step, signal) {
      for (let failures = 0; ; failures += 1) {
        try {
          const done = await step()
          // Only a write shows that images can be stored again. Where Redis is away a probe opens the lane.
          if (failures > 0 && what === 'write') await openLane(redis, keys, 'storage').catch(() => false)
          return done
        } catch (error) {
          if (!(error instanceof Failure) || error.class !== 'storage_closed') throw error
          // Redis may be away, too: what is in hand is kept all the same.
          const closed = await closeLane(redis, keys, 'storage', 'storage_down', error.message).catch(() => false)
          if (closed) parts.onClosed(error)
          await clock.sleep(Math.min(pauseMsMax, 500 * 2 ** failures) * (0.5 + random.number() / 2), signal)
        }
      }
    },
    async tryAgain() {
      const path = 'lanes/storage.json'
      try {
        const found = await store.head(path)
        await store.put(path, JSON.stringify({ tried_at_ms: clock.now() }), {
          condition: found === undefined ? 'absent' : { etag: found.etag },
          contentType: 'application/json',
        })
      } catch (error) {
        if (error instanceof Failure) return
        // Another worker wrote in between: writing works.
        if (!(error instanceof StoreConflict)) throw error
      }
      await openLane(redis, keys, 'storage')
    },
  }
}
