import { letGo, unwrittenOutcomes } from '../shared/batch/let-go.ts'
import { parseOutcome } from '../shared/batch/outcome.ts'
import { mergeResultChunk } from '../shared/ledger/chunks.ts'
import type { Store } from '../shared/ledger/store.ts'
import type { Clock } from '../shared/process/clock.ts'
import type { Redis } from '../shared/redis/connect.ts'
import type { Keys } from '../shared/redis/keys.ts'

export interface SealParts {
  readonly redis: Redis
  readonly keys: Keys
  readonly store: Store
  readonly clock: Clock
}

/** Merges a chunk's settled outcomes into its file in the ledger, then lets go of exactly those in Redis. */
export async function sealChunk({ redis, keys, store, clock }: SealParts, batch: string, chunk: number): Promise<void> {
  const outcomes = await unwrittenOutcomes(redis, keys, batch, chunk)
  await mergeResultChunk(store, batch, chunk, [...outcomes.values()].map(parseOutcome))
  await letGo(redis, keys, { batch, chunk, nowMs: clock.now() }, outcomes)
}
