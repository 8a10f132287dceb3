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

/**
 * Ends the process well: on the first SIGTERM or SIGINT `stop` runs, and the process exits 0 when it is through, or 1
 * where it failed or took longer than `graceMs`. A second signal ends the process at once, with 128 + its number.
 * Gives a function that lets go of the signals again.
 */
export function onShutdown(
  parts: { readonly clock: Clock; readonly log: Log },
  { stop, graceMs, source = process }: { stop: () => Promise<void>; graceMs: number; source?: SignalSource },
): () => void {
  let stopping = false

  const listeners = signals.map((signal) => {
    const heard = (): void => {
      if (stopping) {
        parts.log.warn({ signal }, 'a second signal: ending at once')
        source.exit(128 + constants.signals[signal])
        return
      }
      stopping = true
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
