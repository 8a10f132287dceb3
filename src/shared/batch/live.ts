import { z } from 'zod'
import { priorities } from '../contract/priority.ts'
import type { Control } from '../ledger/control.ts'
import type { Redis } from '../redis/connect.ts'
import type { Keys } from '../redis/keys.ts'

const count = z.coerce.number().int()

const liveFields = z.object({
  tenant: z.string(),
  priority: z.enum(priorities),
  attempt: z.string(),
  created_at_ms: count,
  total: count,
  round: count,
  status: z.enum(['in_progress', 'finalizing', 'ended']),
  cursor: count,
  open: count,
  fed: count,
  in_progress: count,
  succeeded: count,
  reused: count,
  failed: count,
  cancelled: count,
  expired: count,
  calls: count,
  indeterminate: count,
  images: count,
  cost_nano: count,
  finalizing_at_ms: count.optional(),
  reserved_nano: count.default(0),
  control_version: count.default(0),
  control: z
    .string()
    .transform((text) => JSON.parse(text) as Control)
    .optional(),
  paused_at_ms: count.optional(),
  closing: z.enum(['cancelled', 'expired']).optional(),
  closing_at_ms: count.optional(),
  budget_nano: count.optional(),
  over_budget: count.optional(),
  over_budget_at_ms: count.optional(),
  expires_at_ms: count.optional(),
  sequence: count,
  ends_as: z.enum(['completed', 'cancelled', 'expired']).optional(),
  unlooked: count.optional(),
})

/** A live batch as Redis holds it: one read, so its counts add up. */
export type LiveBatch = z.infer<typeof liveFields>

/** Undefined where Redis does not have the batch: unknown, ended a while ago, or lost. */
export async function readLive(redis: Redis, keys: Keys, batch: string): Promise<LiveBatch | undefined> {
  const fields = await redis.hgetall(keys.batch(batch).live)
  return fields['total'] === undefined ? undefined : liveFields.parse(fields)
}
