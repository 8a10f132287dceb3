import { priorities, type Priority } from '../shared/contract/priority.ts'
import { bookSlots } from '../shared/lanes/rate.ts'
import type { Clock } from '../shared/process/clock.ts'
import type { Redis } from '../shared/redis/connect.ts'
import type { Keys } from '../shared/redis/keys.ts'

/** A place for one call in this process, at a time that the provider's rate has room for it. */
export interface Slot {
  /** The provider lane is closed, and this call is the one to try it. */
  readonly probe: boolean
  /** Frees the place when the item is stored, settled or put back. */
  release(): void
}

export interface Slots {
  /** Waits for a slot; rejects with the signal's reason when it aborts first. */
  take(priority: Priority, signal: AbortSignal): Promise<Slot>
  /** Items that have a slot now. */
  inUse(): number
}

export interface SlotParts {
  readonly redis: Redis
  readonly keys: Keys
  readonly clock: Clock
  /** Most calls at once in this process. */
  readonly placesMax: number
  /** Calls a minute as configured, 0 where unset. */
  readonly ceiling: number
  /** Whether the storage works again: tried while its lane is closed. */
  readonly tryStorage: () => Promise<void>
  readonly onError: (error: Error) => void
}

interface Waiter {
  readonly resolve: (slot: Slot) => void
}

/** A closed lane may open, and a limit may be learned: nobody waits longer than this without asking again. */
const askAgainMs = 1000

/**
 * Hands out slots of the provider's rate, bound as late as can be: whoever is most urgent when a slot comes up gets it,
 * not who asked first. Interactive items go before all others; of five slots, standard gets four and bulk one, where
 * both wait.
 */
export function newSlots(parts: SlotParts): Slots {
  const waiting: Record<Priority, Set<Waiter>> = { interactive: new Set(), standard: new Set(), bulk: new Set() }
  let inUse = 0
  let handedOut = 0
  let running = false

  const waiters = (): number => priorities.reduce((sum, priority) => sum + waiting[priority].size, 0)

  function next(): Waiter | undefined {
    const bulkFirst = handedOut % 5 === 4
    const order: Priority[] = [
      'interactive',
      ...(bulkFirst ? (['bulk', 'standard'] as const) : (['standard', 'bulk'] as const)),
    ]
    for (const priority of order) {
      for (const waiter of waiting[priority]) {
        waiting[priority].delete(waiter)
        if (priority !== 'interactive') handedOut += 1
        return waiter
      }
    }
    return undefined
  }

  function hand(probe: boolean): void {
    const waiter = next()
    if (waiter === undefined) return
    inUse += 1
    let held = true
    waiter.resolve({
      probe,
      release() {
        if (!held) return
        held = false
        inUse -= 1
        start()
      },
    })
  }

  async function step(): Promise<void> {
    const { clock } = parts
    const want = Math.min(waiters(), parts.placesMax - inUse)
    const booked = await bookSlots(parts.redis, parts.keys, want, parts.ceiling)
    switch (booked.kind) {
      case 'slots': {
        const firstAt = clock.monotonic() + booked.waitMs
        for (let at = 0; at < booked.count; at += 1) {
          const leftMs = firstAt + at * booked.intervalMs - clock.monotonic()
          // Timers do not come in fractions of a millisecond: what is due within one goes now.
          if (leftMs >= 1) await clock.sleep(leftMs)
          hand(false)
        }
        return
      }
      case 'probe':
        if (booked.lane === 'storage') await parts.tryStorage()
        else hand(true)
        return
      case 'later':
      case 'closed':
        await clock.sleep(Math.min(booked.waitMs, askAgainMs))
    }
  }

  /** One loop at a time, as long as somebody waits and there is a place. */
  function start(): void {
    if (running) return
    running = true
    void run().finally(() => {
      running = false
      if (waiters() > 0 && inUse < parts.placesMax) start()
    })
  }

  async function run(): Promise<void> {
    while (waiters() > 0 && inUse < parts.placesMax) {
      try {
        await step()
      } catch (error) {
        parts.onError(error instanceof Error ? error : new Error(String(error)))
        await parts.clock.sleep(askAgainMs)
      }
    }
  }

  return {
    inUse: () => inUse,
    take(priority, signal) {
      return new Promise((resolve, reject) => {
        if (signal.aborted) {
          reject(signal.reason as Error)
          return
        }
        const giveUp = (): void => {
          waiting[priority].delete(waiter)
          reject(signal.reason as Error)
        }
        const waiter: Waiter = {
          resolve(slot) {
            signal.removeEventListener('abort', giveUp)
            resolve(slot)
          },
        }
        signal.addEventListener('abort', giveUp, { once: true })
        waiting[priority].add(waiter)
        start()
      })
    },
  }
}
