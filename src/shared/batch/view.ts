import type { BatchObject, BlockedBy } from '../contract/batch-object.ts'
import { firstControl, readControl, type Control } from '../ledger/control.ts'
import { readManifest, type Manifest } from '../ledger/manifest.ts'
import type { Store } from '../ledger/store.ts'
import { readSummary } from '../ledger/summary.ts'
import { formatUsd } from '../money/usd.ts'
import type { Clock } from '../process/clock.ts'
import type { Redis } from '../redis/connect.ts'
import type { Keys } from '../redis/keys.ts'
import { budgetOf } from './apply-control.ts'
import { whyBlocked } from './blocked-by.ts'
import { readLive, type LiveBatch } from './live.ts'

export interface ViewParts {
  readonly redis: Redis
  readonly keys: Keys
  readonly store: Store
  readonly clock: Clock
}

/** A batch as it was accepted: everything waits, nothing is spent. */
export function newBatchObject(manifest: Omit<Manifest, 'answer'>): BatchObject {
  const createdAt = seconds(manifest.created_at_ms)
  return {
    id: manifest.batch,
    object: 'batch',
    endpoint: '/v1/images/generations',
    name: manifest.options.name,
    status: 'in_progress',
    paused_at: null,
    has_errors: false,
    request_counts: {
      total: manifest.total,
      completed: 0,
      failed: 0,
      queued: manifest.total,
      in_progress: 0,
      succeeded: 0,
      reused: 0,
      cancelled: 0,
      expired: 0,
    },
    progress: { percent: 0, rate_per_min: 0, eta_at: null },
    blocked_by: null,
    usage: { images: 0, provider_calls: 0, cost_usd: formatUsd(0), indeterminate: 0 },
    budget: { limit_usd: usd(manifest.options.budget_nano), reserved_usd: formatUsd(0), spent_usd: formatUsd(0) },
    input_file_id: null,
    output_file_id: null,
    error_file_id: null,
    errors: manifest.errors ?? null,
    warnings: manifest.warnings,
    created_at: createdAt,
    in_progress_at: createdAt,
    finalizing_at: null,
    completed_at: null,
    failed_at: null,
    expired_at: null,
    cancelling_at: null,
    cancelled_at: null,
    expires_at: secondsOf(manifest.options.expires_at_ms),
    metadata: manifest.options.metadata,
  }
}

/** A batch as Redis knows it now. */
export function liveBatchObject(
  manifest: Manifest,
  live: LiveBatch,
  nowMs: number,
  blockedBy: BlockedBy | null,
): BatchObject {
  const finished = live.succeeded + live.reused + live.failed + live.cancelled + live.expired
  const minutes = Math.max(1 / 60, (nowMs - manifest.created_at_ms) / 60_000)
  const ratePerMin = Math.round((finished / minutes) * 10) / 10
  const left = live.total - finished
  const control = live.control ?? firstControl
  return {
    ...newBatchObject(manifest),
    ...named(manifest, control),
    status: statusOf(live),
    paused_at: secondsOf(live.paused_at_ms),
    has_errors: live.failed > 0,
    request_counts: {
      total: live.total,
      completed: live.succeeded + live.reused,
      failed: live.failed,
      queued: live.open + live.fed,
      in_progress: live.in_progress,
      succeeded: live.succeeded,
      reused: live.reused,
      cancelled: live.cancelled,
      expired: live.expired,
    },
    progress: {
      percent: Math.floor((100 * finished) / live.total),
      rate_per_min: ratePerMin,
      eta_at: left === 0 || ratePerMin === 0 ? null : seconds(nowMs + (left / ratePerMin) * 60_000),
    },
    blocked_by: blockedBy,
    usage: {
      images: live.images,
      provider_calls: live.calls,
      cost_usd: formatUsd(live.cost_nano),
      indeterminate: live.indeterminate,
    },
    budget: {
      limit_usd: usd(budgetOf(manifest, control)),
      reserved_usd: formatUsd(live.reserved_nano),
      spent_usd: formatUsd(live.cost_nano),
    },
    finalizing_at: secondsOf(live.finalizing_at_ms),
    expires_at: secondsOf(live.expires_at_ms),
    cancelling_at: live.closing === 'cancelled' ? secondsOf(live.closing_at_ms) : null,
  }
}

/**
 * The batch object (docs/api.md): from Redis while the batch is live, from the ledger before and after. Undefined:
 * unknown, or another tenant's. Where Redis is away, an ended batch is answered all the same.
 */
export async function readBatchObject(parts: ViewParts, tenant: string, id: string): Promise<BatchObject | undefined> {
  const manifest = await readManifest(parts.store, id)
  if (manifest?.tenant !== tenant) return undefined
  let live: LiveBatch | undefined
  let redisFault: Error | undefined
  try {
    live = await readLive(parts.redis, parts.keys, id)
  } catch (error) {
    redisFault = error instanceof Error ? error : new Error(String(error))
  }
  if (live !== undefined && live.status !== 'ended') {
    return liveBatchObject(manifest, live, parts.clock.now(), await whyBlocked(parts, live))
  }
  const summary = await readSummary(parts.store, id)
  // A retry that Redis has lost is under way all the same.
  if (summary !== undefined && (await readControl(parts.store, id)).round <= summary.round) return summary.batch
  if (redisFault !== undefined) throw redisFault
  // In the ledger and not in Redis: the next sweep or rebuild brings it back.
  const control = await readControl(parts.store, id)
  const cancelled = control.cancelled_at_ms !== null
  return {
    ...newBatchObject(manifest),
    ...named(manifest, control),
    ...(cancelled ? { status: 'cancelling', cancelling_at: secondsOf(control.cancelled_at_ms) } : {}),
    paused_at: secondsOf(control.paused_at_ms),
    blocked_by: recovering(manifest, parts.clock.now()),
  }
}

/** What a person may have changed since the batch was accepted. */
function named(manifest: Pick<Manifest, 'options'>, control: Control): Pick<BatchObject, 'name' | 'metadata'> {
  return {
    name: control.name === undefined ? manifest.options.name : control.name,
    metadata: control.metadata ?? manifest.options.metadata,
  }
}

function statusOf({ status, closing }: LiveBatch): BatchObject['status'] {
  if (closing === 'cancelled') return 'cancelling'
  return status === 'in_progress' ? 'in_progress' : 'finalizing'
}

function recovering(manifest: Manifest, nowMs: number): BlockedBy {
  return {
    reason: 'recovering',
    since: seconds(manifest.created_at_ms),
    next_attempt_at: seconds(nowMs),
    detail: 'Redis does not have this batch; it is being brought back from the ledger',
  }
}

function seconds(ms: number): number {
  return Math.floor(ms / 1000)
}

function secondsOf(ms: number | null | undefined): number | null {
  return ms === null || ms === undefined ? null : seconds(ms)
}

function usd(nano: number | null): string | null {
  return nano === null ? null : formatUsd(nano)
}
