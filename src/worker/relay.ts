import { z } from 'zod'
import { eventId } from '../shared/events/event-id.ts'
import { readBatchObject } from '../shared/batch/view.ts'
import { rewriteListing } from '../shared/ledger/listing.ts'
import { removeMarker } from '../shared/ledger/markers.ts'
import { readManifest } from '../shared/ledger/manifest.ts'
import type { Store } from '../shared/ledger/store.ts'
import { readSummary } from '../shared/ledger/summary.ts'
import type { Clock } from '../shared/process/clock.ts'
import { enqueueDelivery } from '../shared/queues/enqueue.ts'
import type { Queues } from '../shared/queues/open.ts'
import { done, type Verdict } from '../shared/queues/verdict.ts'
import type { Redis } from '../shared/redis/connect.ts'
import type { Keys } from '../shared/redis/keys.ts'
import { defineScript } from '../shared/redis/script.ts'

const moveCursor = defineScript({
  file: new URL('./move-cursor.lua', import.meta.url),
  keys: ['cursor'],
  args: ['from', 'to'],
  answer: z.number(),
})

export interface RelayParts {
  readonly redis: Redis
  readonly keys: Keys
  readonly store: Store
  readonly queues: Queues
  readonly clock: Clock
}

/** An event as the log holds it. */
interface LoggedEvent {
  readonly type: string
  readonly batch: string
  readonly round: number
  readonly sequence: number
  readonly atMs: number
}

const terminal = new Set(['batch.completed', 'batch.failed', 'batch.expired', 'batch.cancelled'])
const readAtOnce = 100

/** The endpoint of a batch's own `webhook.url`. */
const batchEndpoint = 'batch'

/** Reads the event log and makes a delivery for whoever wants the event; then moves its cursor, never before. */
export async function relayEvents(parts: RelayParts): Promise<Verdict> {
  const { redis, keys } = parts
  for (;;) {
    const cursor = (await redis.get(keys.relayCursor)) ?? '0-0'
    const entries = await redis.xrange(keys.events, `(${cursor}`, '+', 'COUNT', readAtOnce)
    const last = entries.at(-1)
    if (last === undefined) return done
    for (const [, fields] of entries) await relayEvent(parts, readEvent(fields))
    // Another relay was quicker: its deliveries have the same ids as ours.
    if ((await moveCursor(redis, { cursor: keys.relayCursor }, { from: cursor, to: last[0] })) === 0) return done
  }
}

/** Ended batches whose event is not delivered: what the log has lost is told again, under the same id. */
export async function relayUndelivered(parts: RelayParts): Promise<void> {
  for (const ended of await parts.redis.smembers(parts.keys.undelivered)) {
    const [batch = '', round = ''] = ended.split('.')
    const summary = await readSummary(parts.store, batch)
    if (summary === undefined) continue
    await relayEvent(parts, {
      type: `batch.${summary.batch.status}`,
      batch,
      round: Number(round),
      sequence: 2 * Number(round),
      atMs: (summary.batch.completed_at ?? summary.batch.created_at) * 1000,
    })
  }
}

async function relayEvent(parts: RelayParts, event: LoggedEvent): Promise<void> {
  if (event.batch === '') return // a lane's: nobody can ask for these yet
  const { store, queues } = parts
  const manifest = await readManifest(store, event.batch)
  if (manifest === undefined) return // deleted meanwhile
  const ends = terminal.has(event.type)
  if (manifest.options.webhook?.events.includes(event.type) !== true) {
    if (ends) await letGoOfEnded(parts, event.batch, event.round)
    return
  }
  const batch = await readBatchObject(parts, manifest.tenant, event.batch)
  if (batch === undefined) return
  if (ends) await rewriteListing(store, manifest.tenant, batch)
  const { type, round, sequence, atMs } = event
  await enqueueDelivery(queues, batchEndpoint, {
    v: 1,
    event: eventId({ type, batch: event.batch, round }),
    batch: event.batch,
    round,
    terminal: ends,
    attempts_made: 0,
    body: JSON.stringify({ type, timestamp: new Date(atMs).toISOString(), data: { ...batch, sequence } }),
  })
}

/** The end of a round is delivered, given up, or wanted by nobody: the batch is no longer among the live. */
export async function letGoOfEnded(
  { redis, keys, store }: Pick<RelayParts, 'redis' | 'keys' | 'store'>,
  batch: string,
  round: number,
): Promise<void> {
  await removeMarker(store, batch, round)
  await redis.srem(keys.undelivered, `${batch}.${String(round)}`)
}

function readEvent(fields: readonly string[]): LoggedEvent {
  const pairs = new Map<string, string>()
  for (let at = 0; at < fields.length; at += 2) pairs.set(fields[at] ?? '', fields[at + 1] ?? '')
  return {
    type: pairs.get('type') ?? '',
    batch: pairs.get('batch') ?? '',
    round: Number(pairs.get('round')),
    sequence: Number(pairs.get('sequence')),
    atMs: Number(pairs.get('at_ms')),
  }
}
