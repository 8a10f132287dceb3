import { z } from 'zod'
import type { Manifest } from '../ledger/manifest.ts'
import type { ItemOutcome, StoredResultLine } from '../contract/result.ts'
import { chunkOf } from '../ledger/chunks.ts'
import { parseUsd } from '../money/usd.ts'
import type { Redis } from '../redis/connect.ts'
import type { Keys } from '../redis/keys.ts'
import { defineScript } from '../redis/script.ts'
import { itemState, packStates } from './states.ts'

const lua = (name: string): URL => new URL(name, import.meta.url)

const script = defineScript({
  file: lua('./create.lua'),
  libraries: [lua('../events/append.lua')],
  keys: ['live', 'states', 'settled', 'batches', 'tenants', 'tenant_batches', 'events'],
  args: ['batch', 'tenant', 'states_text', 'event_type', 'now_ms', 'fields_count'],
  answer: z.enum(['created', 'exists']),
})

export type KnownOutcome = Pick<StoredResultLine, 'status' | 'attempts' | 'cost_usd'>

/** What the ledger knows of a batch that Redis lost: its round, and the outcomes by item index. */
export interface Known {
  readonly round: number
  readonly outcomes: ReadonlyMap<number, KnownOutcome>
}

/**
 * Brings a batch that the ledger has into Redis: as accepted, with its event, or where Redis lost it as `known`, with
 * no event told again. One that is known to have done nothing yet may never have come into Redis: its event is told,
 * perhaps again, under the same id. Where Redis has the batch, nothing changes.
 */
export async function createBatch(
  redis: Redis,
  keys: Keys,
  manifest: Manifest,
  known?: Known,
): Promise<'created' | 'exists'> {
  const { live, states, settled } = keys.batch(manifest.batch)
  const { round, outcomes } = known ?? { round: 1, outcomes: new Map<number, KnownOutcome>() }
  const isNew = round === 1 && outcomes.size === 0
  // A round has two events: a later one must find a greater number than either had.
  const sequence = isNew ? 0 : 2 * round - 1
  const fields = Object.entries({ ...liveFields(manifest, round, outcomes), sequence }).flat()
  return await script(
    redis,
    {
      live,
      states,
      settled,
      batches: keys.batches,
      tenants: keys.feedTenants(manifest.options.priority),
      tenant_batches: keys.feedBatches(manifest.options.priority, manifest.tenant),
      events: keys.events,
    },
    {
      batch: manifest.batch,
      tenant: manifest.tenant,
      states_text: packStates(
        manifest.total,
        new Map([...outcomes].map(([index, line]) => [index, itemState[line.status]])),
      ),
      event_type: isNew ? 'batch.in_progress' : '',
      now_ms: manifest.created_at_ms,
      fields_count: fields.length / 2,
    },
    [...fields, ...settledByChunk(outcomes).flat()],
  )
}

function liveFields(
  manifest: Manifest,
  round: number,
  outcomes: ReadonlyMap<number, KnownOutcome>,
): Record<string, string | number> {
  const lines = [...outcomes.values()]
  const count = (status: ItemOutcome): number => lines.filter((line) => line.status === status).length
  return {
    tenant: manifest.tenant,
    priority: manifest.options.priority,
    attempt: manifest.attempt,
    created_at_ms: manifest.created_at_ms,
    total: manifest.total,
    round,
    status: outcomes.size === manifest.total ? 'finalizing' : 'in_progress',
    cursor: 0,
    open: manifest.total - outcomes.size,
    fed: 0,
    in_progress: 0,
    succeeded: count('succeeded'),
    reused: count('reused'),
    failed: count('failed'),
    cancelled: count('cancelled'),
    expired: count('expired'),
    calls: lines.reduce((sum, line) => sum + line.attempts, 0),
    indeterminate: 0,
    images: count('succeeded'),
    cost_nano: lines.reduce((sum, line) => sum + (line.cost_usd === null ? 0 : parseUsd(line.cost_usd)), 0),
  }
}

function settledByChunk(outcomes: ReadonlyMap<number, KnownOutcome>): [number, number][] {
  const counts = new Map<number, number>()
  for (const index of outcomes.keys()) counts.set(chunkOf(index), (counts.get(chunkOf(index)) ?? 0) + 1)
  return [...counts]
}
