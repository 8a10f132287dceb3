import { constants } from 'node:os'
import type { Clock } from './clock.ts'
import { DeadlinePassed, within } from './deadline.ts'
import type { Log } from './log.ts'

/** The part of `process` that is used; a test hands in its own. */
export interface SignalSource {
  on(signal: 'SIGTERM' | 'SIGINT', heard: () => void): unknown
  off(signal: 'SIGTERM' | 'SIGINT', heard: () => void): unknown
  exit(code: number): void
}

const signals = ['SIGTERM', 'SIGINT'] as const

/** A signal to the process group that the parent passes on comes twice: for so long after the first it is the same one. */
const sameSignalMs = 500

/**
 * Ends the process well: on the first SIGTERM or SIGINT `stop` runs, and the process exits 0 when it is through, or 1
 * where it failed or took longer than `graceMs`. A second signal, 500 ms after the first or later, ends the process at
 * once, with 128 + its number. Gives a function that lets go of the signals again.
 */
export function onShutdown(
  parts: { readonly clock: Clock; readonly log: Log },
  { stop, graceMs, source = process }: { stop: () => Promise<void>; graceMs: number; source?: SignalSource },
): () => void {
  let stoppingSinceMs: number | undefined

  const listeners = signals.map((signal) => {
    const heard = (): void => {
      const nowMs = parts.clock.monotonic()
      if (stoppingSinceMs !== undefined) {
        if (nowMs - stoppingSinceMs < sameSignalMs) return
        parts.log.warn({ signal }, 'a second signal: ending at once')
        source.exit(128 + constants.signals[signal])
        return
      }
      stoppingSinceMs = nowMs
      parts.log.info({ signal, grace_ms: graceMs }, 'stopping: nothing new is taken, what is in flight is finished')
      void finish().then((code) => {
        source.exit(code)
      })
    }
    source.on(signal, heard)
    return { signal, heard }
  })

  async function finish(): Promise<number> {
    try {
      await within(parts.clock, graceMs, stop())
      return 0
    } catch (error) {
      const late = error instanceof DeadlinePassed
      parts.log.error({ err: error }, late ? 'not everything ended within SHUTDOWN_GRACE_MS' : 'stopping failed')
      return 1
    }
  }

  return () => {
    for (const { signal, heard } of listeners) source.off(signal, heard)
  }
}
