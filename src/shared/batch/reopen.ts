import { z } from 'zod'
import { chunkOf } from '../ledger/chunks.ts'
import type { Manifest } from '../ledger/manifest.ts'
import type { Redis } from '../redis/connect.ts'
import type { Keys } from '../redis/keys.ts'
import { defineScript } from '../redis/script.ts'

const lua = (name: string): URL => new URL(name, import.meta.url)

const script = defineScript({
  file: lua('./reopen.lua'),
  libraries: [lua('./states.lua'), lua('./feedable.lua')],
  keys: ['live', 'states', 'settled', 'tenants', 'tenant_batches'],
  args: ['batch', 'tenant', 'round'],
  answer: z.number(),
})

/** So many items a call: Redis stands still while a script runs. */
const atOnce = 2000

/** Opens items again whose lines are missing in the ledger; gives how many. */
export async function reopenItems(
  redis: Redis,
  keys: Keys,
  manifest: Manifest,
  round: number,
  indexes: readonly number[],
): Promise<number> {
  const { live, states, settled } = keys.batch(manifest.batch)
  let opened = 0
  for (let from = 0; from < indexes.length; from += atOnce) {
    opened += await script(
      redis,
      {
        live,
        states,
        settled,
        tenants: keys.feedTenants(manifest.options.priority),
        tenant_batches: keys.feedBatches(manifest.options.priority, manifest.tenant),
      },
      { batch: manifest.batch, tenant: manifest.tenant, round },
      indexes.slice(from, from + atOnce).flatMap((index) => [index, chunkOf(index)]),
    )
  }
  return opened
}
