import { z } from 'zod'
import { triggerFeed } from '../queues/enqueue.ts'
import type { Queues } from '../queues/open.ts'
import type { Redis } from '../redis/connect.ts'
import type { Keys } from '../redis/keys.ts'
import { defineScript } from '../redis/script.ts'
import type { LiveBatch } from './live.ts'

const lua = (name: string): URL => new URL(name, import.meta.url)

const script = defineScript({
  file: lua('./free-budget.lua'),
  libraries: [lua('./budget.lua'), lua('./feedable.lua')],
  keys: ['live', 'tenants', 'tenant_batches'],
  args: ['batch', 'tenant'],
  answer: z.number(),
})

/** Lets a batch that stopped at its budget go on, where calls that were reserved came to nothing. */
export async function freeBudget(
  { redis, keys, queues }: { redis: Redis; keys: Keys; queues: Queues },
  batch: string,
  { tenant, priority, over_budget }: LiveBatch,
): Promise<void> {
  if (over_budget === undefined) return
  const freed = await script(
    redis,
    {
      live: keys.batch(batch).live,
      tenants: keys.feedTenants(priority),
      tenant_batches: keys.feedBatches(priority, tenant),
    },
    { batch, tenant },
  )
  if (freed === 1) await triggerFeed(queues, priority)
}
