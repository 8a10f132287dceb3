import { z } from 'zod'
import type { Redis } from '../redis/connect.ts'
import type { Keys } from '../redis/keys.ts'
import { defineScript } from '../redis/script.ts'
import { type Hold, holdKeys } from './hold.ts'

const lua = (name: string): URL => new URL(name, import.meta.url)

const script = defineScript({
  file: lua('./hand-back.lua'),
  libraries: [
    lua('./states.lua'),
    lua('./fence.lua'),
    lua('./budget.lua'),
    lua('./feedable.lua'),
    lua('../events/append.lua'),
  ],
  keys: ['fence', 'live', 'states', 'claimed', 'tenants', 'tenant_batches', 'events'],
  args: ['process', 'attempt', 'index', 'batch', 'tenant', 'over_budget_nano', 'now_ms'],
  answer: z.enum(['back', 'in_turn', 'lost']),
})

/**
 * Hands an item back to the feed: for a batch that is paused, or that has no budget left for a call of
 * `overBudgetNano`. `claimed`: this attempt holds the item's fence. `in_turn`: whatever was in its way is gone already,
 * and a feed is to be asked for.
 */
export async function handBack(
  redis: Redis,
  keys: Keys,
  hold: Hold,
  why: { claimed: boolean; overBudgetNano?: number; nowMs: number },
): Promise<'back' | 'in_turn' | 'lost'> {
  const { fence, live, states, claimed } = holdKeys(keys, hold)
  return await script(
    redis,
    {
      fence,
      live,
      states,
      claimed,
      tenants: keys.feedTenants(hold.priority),
      tenant_batches: keys.feedBatches(hold.priority, hold.tenant),
      events: keys.events,
    },
    {
      process: hold.process,
      attempt: why.claimed ? hold.attempt : '',
      index: hold.index,
      batch: hold.batch,
      tenant: hold.tenant,
      over_budget_nano: why.overBudgetNano ?? '',
      now_ms: why.nowMs,
    },
  )
}
