import { z } from 'zod'
import type { StoredResultLine } from '../contract/result.ts'
import { chunkOf, indexOf, readResultChunk } from '../ledger/chunks.ts'
import { readControl } from '../ledger/control.ts'
import { readManifest, type Manifest } from '../ledger/manifest.ts'
import type { Store } from '../ledger/store.ts'
import { parseUsd } from '../money/usd.ts'
import type { Clock } from '../process/clock.ts'
import type { Redis } from '../redis/connect.ts'
import type { Keys } from '../redis/keys.ts'
import { defineScript } from '../redis/script.ts'
import { applyControl } from './apply-control.ts'
import { readLive } from './live.ts'
import { dropEarlierRound } from './drop.ts'
import { itemState } from './states.ts'

const lua = (name: string): URL => new URL(name, import.meta.url)

const script = defineScript({
  file: lua('./catch-up.lua'),
  libraries: [lua('./states.lua'), lua('./tries.lua'), lua('./budget.lua')],
  keys: ['live', 'states', 'tries', 'log', 'claimed', 'settled'],
  args: ['round', 'now_ms', 'renew'],
  answer: z.number(),
})

export interface CatchUpParts {
  readonly redis: Redis
  readonly keys: Keys
  readonly store: Store
  readonly clock: Clock
}

/**
 * Brings a batch that Redis has forward to what the ledger knows: its control, then each outcome of this round. A batch
 * that stands in an earlier round than the ledger says is dropped; who asked brings it back whole. Gives false then.
 */
export async function catchUp(parts: CatchUpParts, batch: string): Promise<boolean> {
  const { redis, keys, store, clock } = parts
  const manifest = await readManifest(store, batch)
  const live = await readLive(redis, keys, batch)
  if (manifest === undefined || live === undefined) return live !== undefined
  const control = await readControl(store, batch)
  if (control.round > live.round) {
    await dropEarlierRound(redis, keys, manifest, control.round)
    return false
  }
  if (control.version > live.control_version) await applyControl(redis, keys, manifest, control, clock.now())
  await settleKnown(parts, manifest, live.round, { renew: true, lines: [] })
  for (let chunk = 0; chunk < manifest.chunks; chunk += 1) {
    const written = [...(await readResultChunk(store, batch, chunk)).values()]
    const lines = written.filter((line) => line.round >= live.round)
    if (lines.length > 0) await settleKnown(parts, manifest, live.round, { renew: false, lines })
  }
  return true
}

/** Settles the items of these lines; `renew`: reservations are counted anew from here on. */
async function settleKnown(
  { redis, keys, clock }: CatchUpParts,
  manifest: Manifest,
  round: number,
  { renew, lines }: { renew: boolean; lines: readonly StoredResultLine[] },
): Promise<void> {
  const { live, states, tries, log, claimed, settled } = keys.batch(manifest.batch)
  await script(
    redis,
    { live, states, tries, log, claimed, settled },
    { round, now_ms: clock.now(), renew: renew ? '1' : '0' },
    lines.flatMap((line) => [
      indexOf(line),
      chunkOf(indexOf(line)),
      itemState[line.status],
      line.attempts,
      line.cost_usd === null ? 0 : parseUsd(line.cost_usd),
    ]),
  )
}
