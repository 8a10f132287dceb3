import { z } from 'zod'
import type { Control } from '../ledger/control.ts'
import type { Manifest } from '../ledger/manifest.ts'
import type { Redis } from '../redis/connect.ts'
import type { Keys } from '../redis/keys.ts'
import { defineScript } from '../redis/script.ts'

const lua = (name: string): URL => new URL(name, import.meta.url)

const script = defineScript({
  file: lua('./apply-control.lua'),
  libraries: [lua('./feedable.lua'), lua('./budget.lua'), lua('../events/append.lua')],
  keys: ['live', 'tenants', 'tenant_batches', 'events', 'pending'],
  args: [
    'batch',
    'tenant',
    'version',
    'text',
    'round',
    'paused_at_ms',
    'closing',
    'closing_at_ms',
    'budget_nano',
    'now_ms',
    'pending_since',
  ],
  answer: z.enum(['applied', 'already', 'ended', 'no_batch']),
})

/**
 * Applies what was said of a batch to the live batch, unless Redis knows that version or a later one. `pendingSince`: the
 * score under which the batch was put on the list of those whose control is being written; it leaves that list.
 */
export async function applyControl(
  redis: Redis,
  keys: Keys,
  manifest: Manifest,
  control: Control,
  nowMs: number,
  pendingSince = '',
): Promise<'applied' | 'already' | 'ended' | 'no_batch'> {
  const { closing, atMs } = closingOf(control)
  return await script(
    redis,
    {
      live: keys.batch(manifest.batch).live,
      tenants: keys.feedTenants(manifest.options.priority),
      tenant_batches: keys.feedBatches(manifest.options.priority, manifest.tenant),
      events: keys.events,
      pending: keys.pendingControl,
    },
    {
      batch: manifest.batch,
      tenant: manifest.tenant,
      version: control.version,
      text: JSON.stringify(control),
      round: control.round,
      paused_at_ms: control.paused_at_ms ?? '',
      closing: closing ?? '',
      closing_at_ms: atMs ?? '',
      budget_nano: budgetOf(manifest, control) ?? '',
      now_ms: nowMs,
      pending_since: pendingSince,
    },
  )
}

/** Whether a batch closes before all its items are made, since when, and how the others end. */
export function closingOf(control: Control): {
  closing: 'cancelled' | 'expired' | undefined
  atMs: number | undefined
} {
  if (control.cancelled_at_ms !== null) return { closing: 'cancelled', atMs: control.cancelled_at_ms }
  if (control.expired_at_ms !== null) return { closing: 'expired', atMs: control.expired_at_ms }
  return { closing: undefined, atMs: undefined }
}

/** The batch's budget in nano-dollars, as it was accepted or as it was changed since; null: none. */
export function budgetOf(manifest: Pick<Manifest, 'options'>, control: Control): number | null {
  return control.budget_nano === undefined ? manifest.options.budget_nano : control.budget_nano
}
