import type { BatchObject } from '../contract/batch-object.ts'
import { indexOf, readResultChunk } from '../ledger/chunks.ts'
import { readControl, type Control } from '../ledger/control.ts'
import { rewriteListing } from '../ledger/listing.ts'
import { readManifest, type Manifest } from '../ledger/manifest.ts'
import type { Marker } from '../ledger/markers.ts'
import type { Store } from '../ledger/store.ts'
import { readSummary } from '../ledger/summary.ts'
import { parseUsd } from '../money/usd.ts'
import type { Clock } from '../process/clock.ts'
import type { Redis } from '../redis/connect.ts'
import type { Keys } from '../redis/keys.ts'
import { applyControl } from './apply-control.ts'
import { createBatch, type Known, type KnownOutcome } from './create.ts'
import { isOpenAgain } from './rounds.ts'

export interface ReviveParts {
  readonly redis: Redis
  readonly keys: Keys
  readonly store: Store
  readonly clock: Clock
}

/**
 * Brings one batch back from the ledger where Redis does not have it. A round that has ended gets its event told again,
 * under the same id. `no_manifest`: it was never accepted whole, or not yet. `unsaid`: nobody has asked for that round,
 * or not yet.
 */
export async function reviveBatch(
  parts: ReviveParts,
  { batch, round }: Marker,
): Promise<'created' | 'exists' | 'ended' | 'no_manifest' | 'unsaid'> {
  const { redis, keys, store } = parts
  if ((await redis.exists(keys.batch(batch).live)) === 1) return 'exists'
  const manifest = await readManifest(store, batch)
  if (manifest === undefined) return 'no_manifest'
  const [control, summary] = await Promise.all([readControl(store, batch), readSummary(store, batch)])
  if (round > control.round) return 'unsaid'
  if (summary !== undefined && summary.round >= round) {
    await redis.sadd(keys.undelivered, `${batch}.${String(round)}`)
    if (summary.round >= control.round) return 'ended'
  }
  if (summary !== undefined) await rewriteListing(store, manifest.tenant, asLive(summary.batch))
  const known = await knownOf(store, manifest, control)
  const made = await bringBack(parts, manifest, { ...known, lost: true, told: known.told + toldSince(parts, manifest) })
  // The log went with the rest: what it had still to tell of these items is told from the results, under the same ids.
  if (made === 'created' && known.outcomes.size > 0 && tellsItems(manifest)) {
    await redis.hsetnx(keys.behind, batch, itemsFromStart)
  }
  return made
}

/** A webhook's place before its first item: the results from index 0 on, then the log from its start. */
const itemsFromStart = '0@0-0'

function tellsItems(manifest: Manifest): boolean {
  return manifest.options.webhook?.events.some((type) => type.startsWith('item.')) === true
}

/**
 * How many events of its items may have been told since a batch was accepted, however often Redis lost it: never more
 * than one a millisecond.
 */
function toldSince({ clock }: ReviveParts, manifest: Manifest): number {
  return tellsItems(manifest) ? Math.max(0, clock.now() - manifest.created_at_ms) : 1
}

/** Creates a batch in Redis as `known` to the ledger, and applies what was said of it while that was read. */
export async function bringBack(
  { redis, keys, store, clock }: ReviveParts,
  manifest: Manifest,
  known: Known,
): Promise<'created' | 'exists'> {
  const made = await createBatch(redis, keys, manifest, known)
  const control = await readControl(store, manifest.batch)
  if (control.version > known.control.version) await applyControl(redis, keys, manifest, control, clock.now())
  return made
}

/** What lists hold of a batch whose next round runs: they ask Redis for the rest. */
export function asLive(ended: BatchObject): BatchObject {
  return { ...ended, status: 'in_progress', completed_at: null }
}

const chunksAtOnce = 16

/** What the ledger knows of a batch in its present round; the lines themselves are not kept. */
export async function knownOf(store: Store, manifest: Manifest, control: Control): Promise<Known & { told: number }> {
  const outcomes = new Map<number, KnownOutcome>()
  for (let from = 0; from < manifest.chunks; from += chunksAtOnce) {
    const count = Math.min(chunksAtOnce, manifest.chunks - from)
    const chunks = await Promise.all(
      Array.from({ length: count }, (_, at) => readResultChunk(store, manifest.batch, from + at)),
    )
    for (const lines of chunks) {
      for (const line of lines.values()) {
        if (isOpenAgain(line, control)) continue
        const { status, attempts, cost_usd, round } = line
        outcomes.set(indexOf(line), { status, attempts, cost_usd, round })
      }
    }
  }
  const before = control.round === 1 ? undefined : await readSummary(store, manifest.batch)
  const earlier = before !== undefined && before.round < control.round ? before : undefined
  const usage = earlier?.batch.usage
  return {
    control,
    outcomes,
    spent: {
      calls: usage?.provider_calls ?? 0,
      costNano: usage === undefined ? 0 : parseUsd(usage.cost_usd),
      indeterminate: usage?.indeterminate ?? 0,
    },
    told: earlier?.sequence ?? 0,
  }
}
