import { z } from 'zod'
import type { Manifest } from '../ledger/manifest.ts'
import type { Redis } from '../redis/connect.ts'
import type { Keys } from '../redis/keys.ts'
import { defineScript } from '../redis/script.ts'
import { letGo, unwrittenOutcomes } from './let-go.ts'
import { readLive } from './live.ts'
import { parseOutcome } from './outcome.ts'

const lua = (name: string): URL => new URL(name, import.meta.url)

const script = defineScript({
  file: lua('./drop.lua'),
  libraries: [lua('./feedable.lua')],
  keys: ['live', 'states', 'tries', 'log', 'claimed', 'settled', 'unsealed', 'batches', 'tenants', 'tenant_batches'],
  args: ['batch', 'tenant', 'round'],
  answer: z.number(),
})

/**
 * Takes a batch that stands in an earlier round than `round` out of Redis, with the outcomes that it still holds: that
 * round has ended, so the ledger has them. The batch is about to be brought back whole.
 */
export async function dropEarlierRound(redis: Redis, keys: Keys, manifest: Manifest, round: number): Promise<void> {
  const stands = await readLive(redis, keys, manifest.batch)
  if (stands === undefined || stands.round >= round) return
  for (const text of await redis.zrange(keys.batch(manifest.batch).unsealed, '0', '-1')) {
    const chunk = Number(text)
    const outcomes = await unwrittenOutcomes(redis, keys, manifest.batch, chunk)
    // Somebody else may have brought the next round back meanwhile: its outcomes are in no ledger yet.
    const earlier = [...outcomes].filter(([, outcome]) => parseOutcome(outcome).round < round)
    await letGo(redis, keys, { batch: manifest.batch, chunk, nowMs: stands.created_at_ms }, new Map(earlier))
  }
  const { live, states, tries, log, claimed, settled, unsealed } = keys.batch(manifest.batch)
  await script(
    redis,
    {
      live,
      states,
      tries,
      log,
      claimed,
      settled,
      unsealed,
      batches: keys.batches,
      tenants: keys.feedTenants(manifest.options.priority),
      tenant_batches: keys.feedBatches(manifest.options.priority, manifest.tenant),
    },
    { batch: manifest.batch, tenant: manifest.tenant, round },
  )
}
