import type { Hold } from '../shared/batch/hold.ts'
import type { Random } from '../shared/process/random.ts'

/** An attempt that runs in this process, with all that its fence says: enough to put the fence back if Redis lost it. */
export interface OpenAttempt {
  readonly hold: Hold
  calling: boolean
  reservedNano: number
  url: string | undefined
}

/** The attempts under way in this process. */
export interface Attempts {
  /** This process' name in fences and heartbeats: unique for each start. */
  readonly process: string
  begin(work: Omit<Hold, 'process' | 'attempt'>): OpenAttempt
  end(attempt: OpenAttempt): void
  runs(attempt: string): boolean
  all(): Iterable<OpenAttempt>
}

export function newAttempts(random: Random): Attempts {
  const process = random.bytes(9).toString('base64url')
  const open = new Map<string, OpenAttempt>()
  let made = 0
  return {
    process,
    begin(work) {
      made += 1
      const hold = { ...work, process, attempt: String(made) }
      const attempt = { hold, calling: false, reservedNano: 0, url: undefined }
      open.set(hold.attempt, attempt)
      return attempt
    },
    end(attempt) {
      open.delete(attempt.hold.attempt)
    },
    runs: (attempt) => open.has(attempt),
    all: () => open.values(),
  }
}
