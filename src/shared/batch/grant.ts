import { z } from 'zod'
import type { Redis } from '../redis/connect.ts'
import type { Keys } from '../redis/keys.ts'
import { defineScript } from '../redis/script.ts'
import { type Hold, holdKeys } from './hold.ts'

const lua = (name: string): URL => new URL(name, import.meta.url)

const script = defineScript({
  file: lua('./grant.lua'),
  libraries: [lua('./states.lua'), lua('./epoch.lua'), lua('./fence.lua'), lua('./budget.lua')],
  keys: ['epoch', 'fence', 'live', 'states', 'provider_lane', 'storage_lane'],
  args: ['run_id', 'process', 'attempt', 'index', 'round', 'price_nano', 'probe'],
  answer: z.array(z.string()),
})

/**
 * - `granted`: one paid call may be sent, within a second
 * - `lost`: another attempt took the fence over
 * - `closed`: a lane closed since the slot was given
 * - `closing`: the batch was cancelled or has expired
 * - `over_budget`: the batch's budget has no room for this call
 */
export type Grant =
  'granted' | 'lost' | 'no_batch' | 'settled' | 'closed' | 'paused' | 'closing' | 'over_budget' | 'wait'

/** Asks for the leave to make one paid call of `priceNano`. A `probe` may call through a closed provider lane. */
export async function grantCall(
  redis: Redis,
  keys: Keys,
  runId: string,
  hold: Hold,
  call: { priceNano: number; probe: boolean },
): Promise<Grant> {
  const [answer] = await script(
    redis,
    {
      epoch: keys.epoch,
      ...holdKeys(keys, hold),
      provider_lane: keys.lane('provider'),
      storage_lane: keys.lane('storage'),
    },
    {
      run_id: runId,
      process: hold.process,
      attempt: hold.attempt,
      index: hold.index,
      round: hold.round,
      price_nano: call.priceNano,
      probe: call.probe ? '1' : '0',
    },
  )
  if (answer === 'recovering' || answer === 'quiet') return 'wait'
  return z.enum(['granted', 'lost', 'no_batch', 'settled', 'closed', 'paused', 'closing', 'over_budget']).parse(answer)
}
