import { z } from 'zod'
import type { Priority } from '../contract/priority.ts'
import type { Redis } from '../redis/connect.ts'
import type { Keys } from '../redis/keys.ts'
import { defineScript } from '../redis/script.ts'

const lua = (name: string): URL => new URL(name, import.meta.url)

const takeScript = defineScript({
  file: lua('./take-turn.lua'),
  libraries: [lua('./states.lua'), lua('./epoch.lua'), lua('./feedable.lua')],
  keys: ['epoch', 'live', 'states', 'tenants', 'tenant_batches'],
  args: ['run_id', 'batch', 'tenant', 'count'],
  answer: z.array(z.string()),
})

const fedScript = defineScript({
  file: lua('./mark-fed.lua'),
  libraries: [lua('./states.lua')],
  keys: ['live', 'states'],
  args: [],
  answer: z.number(),
})

export type Turn =
  | { readonly kind: 'items'; readonly tenant: string; readonly batch: string; readonly indexes: number[] }
  /** This batch has nothing to feed (any more). */
  | { readonly kind: 'empty' }
  /** No batch of this priority has anything to feed. */
  | { readonly kind: 'none' }
  | { readonly kind: 'wait'; readonly waitMs: number }

/** Whose turn it is: the next tenant, and of that tenant the next batch, with up to `count` of its open items. */
export async function takeTurn(
  redis: Redis,
  keys: Keys,
  runId: string,
  priority: Priority,
  count: number,
): Promise<Turn> {
  const tenants = keys.feedTenants(priority)
  const tenant = await redis.lmove(tenants, tenants, 'LEFT', 'RIGHT')
  if (tenant === null) return { kind: 'none' }
  const batches = keys.feedBatches(priority, tenant)
  // Of a tenant without a batch the script takes the turn away, unless it gets one meanwhile.
  const batch = (await redis.lmove(batches, batches, 'LEFT', 'RIGHT')) ?? ''
  const { live, states } = keys.batch(batch)
  const [kind, ...rest] = await takeScript(
    redis,
    { epoch: keys.epoch, live, states, tenants, tenant_batches: batches },
    { run_id: runId, batch, tenant, count },
  )
  if (kind === 'items') return { kind, tenant, batch, indexes: rest.map(Number) }
  if (kind === 'empty') return { kind }
  return { kind: 'wait', waitMs: kind === 'quiet' ? Number(rest[0]) : 1000 }
}

/** Marks items as fed. Their jobs stand on the queue already. */
export async function markFed(redis: Redis, keys: Keys, batch: string, indexes: readonly number[]): Promise<void> {
  const { live, states } = keys.batch(batch)
  await fedScript(redis, { live, states }, {}, indexes)
}
