import { setTimeout as delay } from 'node:timers/promises'

export interface EventuallyOptions {
  readonly withinMs?: number
  /** Ends the sentence "gave up waiting for ...". */
  readonly what: string
}

const everyMs = 20

/**
 * Asks again and again until `check` gives something other than undefined, null or false, and gives that. A check that
 * throws (a failed `expect`) has not come true yet; what it threw last is the cause of the error when time is up.
 */
export async function eventually<T>(
  check: () => T | Promise<T>,
  options: EventuallyOptions,
): Promise<Exclude<T, undefined | null | false>> {
  const { withinMs = 5_000, what } = options
  const deadline = performance.now() + withinMs
  for (;;) {
    let last: unknown
    try {
      const value = await check()
      if (value !== undefined && value !== null && value !== false) return value as Exclude<T, undefined | null | false>
      last = undefined
    } catch (error) {
      last = error
    }
    if (performance.now() >= deadline) {
      throw new Error(`gave up waiting for ${what} after ${String(withinMs)} ms`, { cause: last })
    }
    await delay(everyMs)
  }
}
