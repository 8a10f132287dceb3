import { z } from 'zod'
import type { Manifest } from '../ledger/manifest.ts'
import type { ItemOutcome, StoredResultLine } from '../contract/result.ts'
import { firstControl, type Control } from '../ledger/control.ts'
import { chunkOf } from '../ledger/chunks.ts'
import { parseUsd } from '../money/usd.ts'
import type { Redis } from '../redis/connect.ts'
import type { Keys } from '../redis/keys.ts'
import { defineScript } from '../redis/script.ts'
import { budgetOf, closingOf } from './apply-control.ts'
import { itemState, packStates } from './states.ts'

const lua = (name: string): URL => new URL(name, import.meta.url)

const script = defineScript({
  file: lua('./create.lua'),
  libraries: [lua('../events/append.lua'), lua('./feedable.lua'), lua('./budget.lua')],
  keys: ['live', 'states', 'claimed', 'settled', 'batches', 'tenants', 'tenant_batches', 'events'],
  args: ['batch', 'tenant', 'states_text', 'event_type', 'now_ms', 'fields_count'],
  answer: z.enum(['created', 'exists']),
})

export type KnownOutcome = Pick<StoredResultLine, 'status' | 'attempts' | 'cost_usd' | 'round'>

/** What the ledger knows of a batch that Redis does not have. */
export interface Known {
  readonly control: Control
  /** The outcomes that stand, by item index: those of earlier rounds that a retry opens again are not among them. */
  readonly outcomes: ReadonlyMap<number, KnownOutcome>
  /** What earlier rounds came to. */
  readonly spent: { readonly calls: number; readonly costNano: number; readonly indeterminate: number }
  /** No event beside those of its rounds and its control had a greater sequence than this. */
  readonly told?: number
  /** Redis lost it: outputs may stand that nobody knows of here. */
  readonly lost?: boolean
}

const nothingKnown: Known = {
  control: firstControl,
  outcomes: new Map(),
  spent: { calls: 0, costNano: 0, indeterminate: 0 },
}

/**
 * Brings a batch that the ledger has into Redis: as accepted, with its event, or as `known`, with no event told again.
 * One that is known to have done nothing yet may never have come into Redis: its event is told, perhaps again, under
 * the same id. Where Redis has the batch, nothing changes.
 */
export async function createBatch(
  redis: Redis,
  keys: Keys,
  manifest: Manifest,
  known: Known = nothingKnown,
): Promise<'created' | 'exists'> {
  const { live, states, claimed, settled } = keys.batch(manifest.batch)
  const { control, outcomes } = known
  const isNew = control.round === 1 && outcomes.size === 0
  // Each round and each control has its events: a later one must find a greater number than any had.
  const sequence = (isNew ? 0 : 2 * control.round - 1) + 2 * control.version + (known.told ?? 0)
  const fields = Object.entries({ ...liveFields(manifest, known), sequence }).flat()
  return await script(
    redis,
    {
      live,
      states,
      claimed,
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

function liveFields(manifest: Manifest, { control, outcomes, spent, lost }: Known): Record<string, string | number> {
  const counts: Record<ItemOutcome, number> = { succeeded: 0, reused: 0, failed: 0, cancelled: 0, expired: 0 }
  let { calls, costNano } = spent
  for (const line of outcomes.values()) {
    counts[line.status] += 1
    // What earlier rounds came to is in `spent`.
    if (line.round < control.round) continue
    calls += line.attempts
    costNano += line.cost_usd === null ? 0 : parseUsd(line.cost_usd)
  }
  return {
    tenant: manifest.tenant,
    priority: manifest.options.priority,
    attempt: manifest.attempt,
    created_at_ms: manifest.created_at_ms,
    total: manifest.total,
    round: control.round,
    status: outcomes.size === manifest.total ? 'finalizing' : 'in_progress',
    cursor: 0,
    open: manifest.total - outcomes.size,
    fed: 0,
    in_progress: 0,
    ...counts,
    calls,
    indeterminate: spent.indeterminate,
    images: counts.succeeded,
    cost_nano: costNano,
    reserved_nano: 0,
    control_version: control.version,
    ...optional({
      control: control.version === 0 ? null : JSON.stringify(control),
      paused_at_ms: control.paused_at_ms,
      closing: closingOf(control).closing,
      closing_at_ms: closingOf(control).atMs,
      budget_nano: budgetOf(manifest, control),
      // A window is for the first round: who asks for another has all the time.
      expires_at_ms: control.round === 1 ? manifest.options.expires_at_ms : null,
      unlooked: lost === true && outcomes.size < manifest.total ? 1 : null,
      item_events: manifest.options.webhook?.events.some((type) => type.startsWith('item.')) === true ? 1 : null,
    }),
  }
}

/** Only what is there: a field that is missing in Redis means "not". */
function optional(fields: Record<string, string | number | null | undefined>): Record<string, string | number> {
  const found: Record<string, string | number> = {}
  for (const [name, value] of Object.entries(fields)) if (value !== null && value !== undefined) found[name] = value
  return found
}

function settledByChunk(outcomes: ReadonlyMap<number, KnownOutcome>): [number, number][] {
  const counts = new Map<number, number>()
  for (const index of outcomes.keys()) counts.set(chunkOf(index), (counts.get(chunkOf(index)) ?? 0) + 1)
  return [...counts]
}
