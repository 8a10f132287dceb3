import type { Clock } from '../process/clock.ts'
import type { Redis } from './connect.ts'

/** Resolves as soon as the connection can be used, or after `waitMs` without it. Says whether it can. */
export async function readyWithin(
  redis: Redis,
  { clock, waitMs }: { readonly clock: Clock; readonly waitMs: number },
): Promise<boolean> {
  if (redis.status === 'ready') return true
  const ready = new AbortController()
  const onReady = (): void => {
    ready.abort()
  }
  redis.once('ready', onReady)
  // The sleep is broken off by the connection; nothing else aborts it.
  await clock.sleep(waitMs, ready.signal).catch(() => undefined)
  redis.off('ready', onReady)
  return ready.signal.aborted
}
