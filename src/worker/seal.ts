import { letGo, unwrittenOutcomes } from '../shared/batch/let-go.ts'
import type { LogEntry } from '../shared/contract/result.ts'
import type { Closing } from '../shared/batch/claim.ts'
import { closedOutcome, parseOutcome } from '../shared/batch/outcome.ts'
import { itemState, stateAt } from '../shared/batch/states.ts'
import { itemId } from '../shared/contract/ids.ts'
import { formatUsd } from '../shared/money/usd.ts'
import { chunkSize, mergeResultChunk, readInputChunk } from '../shared/ledger/chunks.ts'
import type { Manifest } from '../shared/ledger/manifest.ts'
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

/**
 * Writes the lines of the items that were not made before their batch closed: Redis has only their state, and their
 * lines are made from the input.
 */
export async function writeClosedItems(
  { redis, keys, store }: SealParts,
  manifest: Manifest,
  round: number,
  closing: Closing,
): Promise<void> {
  const states = await redis.getBuffer(keys.batch(manifest.batch).states)
  if (states === null) return
  const [tries, logs] = await Promise.all([
    redis.hgetall(keys.batch(manifest.batch).tries),
    redis.hgetall(keys.batch(manifest.batch).log),
  ])
  for (let chunk = 0; chunk < manifest.chunks; chunk += 1) {
    const from = chunk * chunkSize
    const closed = (index: number): boolean => stateAt(states, index) === itemState[closing]
    const count = Math.min(chunkSize, manifest.total - from)
    if (!Array.from({ length: count }, (_, at) => from + at).some(closed)) continue
    const items = await readInputChunk(store, { batch: manifest.batch, attempt: manifest.attempt, chunk })
    const lines = items
      .filter(({ index }) => closed(index))
      .map(({ index, custom_id, price_nano }) => {
        // Calls that were made before it closed, and left no image.
        const [calls = 0, , , costNano = 0] = (tries[index] ?? '').split(':').map(Number)
        return {
          ...closedOutcome(itemId(manifest.batch, index), custom_id, closing),
          attempts: calls,
          cost_usd: price_nano === null ? null : formatUsd(costNano),
          round,
          attempt_log: JSON.parse(`[${logs[index] ?? ''}]`) as LogEntry[],
        }
      })
    await mergeResultChunk(store, manifest.batch, chunk, lines)
  }
}
