import type { Priority } from '../contract/priority.ts'
import type { Keys } from '../redis/keys.ts'

/** One attempt at one item: who holds its fence, and for what. */
export interface Hold {
  /** The worker process. */
  readonly process: string
  /** Unique in that process. */
  readonly attempt: string
  readonly tenant: string
  readonly batch: string
  readonly priority: Priority
  readonly index: number
  readonly round: number
  /** Output key without its extension: what the fence is on. */
  readonly stem: string
}

/** The keys that the scripts of an attempt touch. */
export function holdKeys(
  keys: Keys,
  hold: Hold,
): { fence: string; live: string; states: string; tries: string; log: string; claimed: string } {
  const { live, states, tries, log, claimed } = keys.batch(hold.batch)
  return { fence: keys.fence(hold.tenant, hold.stem), live, states, tries, log, claimed }
}
