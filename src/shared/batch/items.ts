import type { InputItem } from '../contract/accepted.ts'
import { itemId } from '../contract/ids.ts'
import type { ItemStatus, LogEntry, ResultLine, StoredResultLine } from '../contract/result.ts'
import { chunkOf, chunkSize, readInputChunk } from '../ledger/chunks.ts'
import { readControl, type Control } from '../ledger/control.ts'
import type { Manifest } from '../ledger/manifest.ts'
import { formatUsd } from '../money/usd.ts'
import { delayedUntilMs } from '../queues/delayed.ts'
import { generateJobId, generateQueue } from '../queues/jobs.ts'
import type { Queues } from '../queues/open.ts'
import { readChunkOutcomes } from './chunk-outcomes.ts'
import { readLive, type LiveBatch } from './live.ts'
import { closedOutcome } from './outcome.ts'
import { withLinks } from './results.ts'
import { itemState, stateAt } from './states.ts'
import type { ViewParts } from './view.ts'

/** An item as it stands now: its result line, whose `response` and `error` are both null until it is settled. */
export interface ItemLine extends Omit<ResultLine, 'status'> {
  readonly status: ItemStatus
  readonly index: number
  readonly attempt_log: readonly LogEntry[]
  /** Unix seconds, where it backs off. */
  readonly next_attempt_at: number | null
}

export interface ItemFilter {
  readonly status?: ItemStatus | undefined
  readonly code?: string | undefined
  readonly custom_id?: string | undefined
}

export interface ItemPage {
  readonly data: ItemLine[]
  /** The index behind which the next page begins; undefined where there is none. */
  readonly goOnBehind: number | undefined
}

export interface ItemsParts extends ViewParts {
  readonly queues: Queues
}

/** A page of a filter ends after so long, however few items it found: the caller goes on behind what was looked at. */
const scanMsMax = 2000
/** Chunks that a filter reads at once. */
const chunksAtOnce = 8

/** A batch's items from `fromIndex` on that match, at most `limit`, in input order. */
export async function readItems(
  parts: ItemsParts,
  manifest: Manifest,
  { fromIndex, limit, filter }: { fromIndex: number; limit: number; filter: ItemFilter },
): Promise<ItemPage> {
  const { redis, keys, clock } = parts
  const endsAt = clock.monotonic() + scanMsMax
  const [control, live] = await Promise.all([
    readControl(parts.store, manifest.batch),
    readLive(redis, keys, manifest.batch),
  ])
  const batch = { manifest, control, live: live?.status === 'ended' ? undefined : live }
  const filtered = Object.values(filter).some((value) => value !== undefined)
  const found: Found[] = []
  let chunk = chunkOf(fromIndex)
  while (chunk < manifest.chunks && found.length <= limit) {
    if (filtered && clock.monotonic() > endsAt) return await page(parts, batch, found, chunk * chunkSize - 1)
    const count = Math.min(filtered ? chunksAtOnce : 1, manifest.chunks - chunk)
    const chunks = await Promise.all(
      Array.from({ length: count }, (_, at) => readChunk(parts, batch, chunk + at, filter)),
    )
    found.push(...chunks.flat().filter(({ index }) => index >= fromIndex))
    chunk += count
  }
  const rest = found.length > limit ? found[limit - 1]?.index : undefined
  return await page(parts, batch, found.slice(0, limit), rest)
}

interface KnownBatch {
  readonly manifest: Manifest
  readonly control: Control
  /** Undefined: it has ended, or Redis does not have it. */
  readonly live: LiveBatch | undefined
}

/** An item that matches: its outcome, or what it was accepted as. */
type Found = { readonly index: number } & (
  | { readonly outcome: StoredResultLine }
  | { readonly outcome: undefined; readonly item: InputItem; readonly status: 'queued' | 'in_progress' }
)

async function readChunk(
  parts: ItemsParts,
  { manifest, control, live }: KnownBatch,
  chunk: number,
  filter: ItemFilter,
): Promise<Found[]> {
  const { batch, attempt, total } = manifest
  const first = chunk * chunkSize
  const last = Math.min(total, first + chunkSize) - 1
  // States before outcomes: what is settled in between has its outcome, and that counts.
  const states =
    live === undefined
      ? undefined
      : await parts.redis.getrangeBuffer(parts.keys.batch(batch).states, Math.floor(first / 2), Math.floor(last / 2))
  const outcomes = await readChunkOutcomes(parts, { batch, chunk, live: live !== undefined, control })
  const open: { index: number; state: number }[] = []
  for (let index = first; index <= last; index += 1) {
    if (!outcomes.has(index)) open.push({ index, state: states === undefined ? 0 : stateAt(states, index - first) })
  }
  const items = open.length === 0 ? [] : await readInputChunk(parts.store, { batch, attempt, chunk })
  const found: Found[] = []
  for (const [index, outcome] of outcomes) {
    if (matches(filter, outcome.status, outcome.custom_id, outcome.error?.code)) found.push({ index, outcome })
  }
  for (const { index, state } of open) {
    const item = items[index - first]
    if (item === undefined) throw new Error(`item ${String(index)} of ${batch} is missing in the ledger`)
    const closed = closedStatus(state)
    if (closed !== undefined) {
      const outcome = closedLine(batch, item, control.round, closed)
      if (matches(filter, closed, item.custom_id, outcome.error?.code)) found.push({ index, outcome })
      continue
    }
    const status = state === itemState.in_progress ? 'in_progress' : 'queued'
    if (matches(filter, status, item.custom_id, undefined)) found.push({ index, outcome: undefined, item, status })
  }
  return found.sort((a, b) => a.index - b.index)
}

function matches(filter: ItemFilter, status: ItemStatus, customId: string, code: string | undefined): boolean {
  if (filter.status !== undefined && filter.status !== status) return false
  if (filter.code !== undefined && filter.code !== code) return false
  return filter.custom_id === undefined || filter.custom_id === customId
}

function closedStatus(state: number): 'cancelled' | 'expired' | undefined {
  if (state === itemState.cancelled) return 'cancelled'
  return state === itemState.expired ? 'expired' : undefined
}

/** Its line is written when the batch ends; until then only its state says how it ended. */
function closedLine(batch: string, item: InputItem, round: number, closed: 'cancelled' | 'expired'): StoredResultLine {
  return {
    ...closedOutcome(itemId(batch, item.index), item.custom_id, closed),
    attempts: 0,
    cost_usd: formatUsd(0),
    round,
    attempt_log: [],
  }
}

async function page(
  parts: ItemsParts,
  batch: KnownBatch,
  found: readonly Found[],
  goOnBehind: number | undefined,
): Promise<ItemPage> {
  const open = found.flatMap((one) => (one.outcome === undefined ? [one.index] : []))
  const underWay = await readUnderWay(parts, batch, open)
  const data = await Promise.all(
    found.map(async (one): Promise<ItemLine> => {
      if (one.outcome !== undefined) {
        const { index, outcome } = one
        const line = await withLinks(parts.store, outcome)
        return { ...line, index, attempt_log: outcome.attempt_log, next_attempt_at: null }
      }
      const { index, item, status } = one
      const known = underWay.get(index)
      return {
        id: itemId(batch.manifest.batch, index),
        index,
        custom_id: item.custom_id,
        status,
        response: null,
        error: null,
        attempts: known?.calls ?? 0,
        cost_usd: item.price_nano === null ? null : formatUsd(known?.costNano ?? 0),
        attempt_log: known?.log ?? [],
        next_attempt_at: known?.nextAttemptAt ?? null,
      }
    }),
  )
  return { data, goOnBehind }
}

interface UnderWay {
  readonly calls: number
  readonly costNano: number
  readonly log: LogEntry[]
  /** Unix seconds. */
  readonly nextAttemptAt: number | null
}

/** What Redis knows of items that are not settled. */
async function readUnderWay(
  { redis, keys, queues }: ItemsParts,
  { manifest, control, live }: KnownBatch,
  indexes: readonly number[],
): Promise<Map<number, UnderWay>> {
  if (live === undefined || indexes.length === 0) return new Map()
  const { batch, options } = manifest
  const fields = indexes.map(String)
  const [tries, logs, nextAttempts] = await Promise.all([
    redis.hmget(keys.batch(batch).tries, ...fields),
    redis.hmget(keys.batch(batch).log, ...fields),
    delayedUntilMs(
      redis,
      queues.prefix,
      generateQueue(options.priority),
      indexes.map((index) => generateJobId(batch, index, control.round)),
    ),
  ])
  return new Map(
    indexes.map((index, at) => {
      const [calls = 0, , , costNano = 0] = (tries[at] ?? '').split(':').map(Number)
      const log = JSON.parse(`[${logs[at] ?? ''}]`) as LogEntry[]
      const atMs = nextAttempts[at] ?? null
      return [index, { calls, costNano, log, nextAttemptAt: atMs === null ? null : Math.floor(atMs / 1000) }]
    }),
  )
}
