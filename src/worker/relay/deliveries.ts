import { z } from 'zod'
import { readItemOutcome } from '../../shared/batch/chunk-outcomes.ts'
import { readBatchObject } from '../../shared/batch/view.ts'
import { readControl } from '../../shared/ledger/control.ts'
import { rewriteListing } from '../../shared/ledger/listing.ts'
import type { Manifest } from '../../shared/ledger/manifest.ts'
import { removeMarker } from '../../shared/ledger/markers.ts'
import type { Store } from '../../shared/ledger/store.ts'
import { readSummary } from '../../shared/ledger/summary.ts'
import { eventId } from '../../shared/events/event-id.ts'
import type { StoredResultLine } from '../../shared/contract/result.ts'
import type { Clock } from '../../shared/process/clock.ts'
import { enqueueDelivery } from '../../shared/queues/enqueue.ts'
import type { Queues } from '../../shared/queues/open.ts'
import type { Redis } from '../../shared/redis/connect.ts'
import type { Keys } from '../../shared/redis/keys.ts'
import { defineScript } from '../../shared/redis/script.ts'
import { isTerminal, type LoggedEvent } from './logged-event.ts'

const offerScript = defineScript({
  file: new URL('./offer.lua', import.meta.url),
  keys: ['open', 'behind'],
  args: ['batch', 'delivery', 'before', 'open_max'],
  answer: z.enum(['open', 'behind']),
})

export interface DeliveryParts {
  readonly redis: Redis
  readonly keys: Keys
  readonly store: Store
  readonly queues: Queues
  readonly clock: Clock
}

/** Most deliveries under way to one webhook: a receiver that is down for days fills nothing. */
export const openMax = 1000

/** The endpoint of a batch's own `webhook.url`. */
const batchEndpoint = 'batch'

/** Whether the batch's webhook wants the event. */
export function isWanted(manifest: Manifest, event: Pick<LoggedEvent, 'type'>): boolean {
  return manifest.options.webhook?.events.includes(event.type) === true
}

/**
 * Makes the delivery of an event of a batch. An item's event may find the receiver with enough to do: then the webhook
 * falls behind, from the event that comes after `before` on, and this gives `behind`.
 */
export async function openDelivery(
  parts: DeliveryParts,
  manifest: Manifest,
  event: LoggedEvent,
  before: string,
): Promise<'open' | 'behind' | 'nothing'> {
  const id = idOf(event)
  if (event.index !== undefined) {
    const offered = await offerScript(
      parts.redis,
      { open: parts.keys.openDeliveries(event.batch), behind: parts.keys.behind },
      { batch: event.batch, delivery: id, before, open_max: openMax },
    )
    if (offered === 'behind') return 'behind'
  }
  const data = event.index === undefined ? await batchData(parts, manifest, event) : await itemData(parts, event)
  // An outcome that was made again meanwhile, or an end that was delivered already, is not told.
  if (data === undefined) {
    await closeDelivery(parts, event.batch, id)
    return 'nothing'
  }
  await sendOff(parts, event, data)
  return 'open'
}

/** The delivery of an item's event whose line is at hand: for what the log has lost. */
export async function openItemDelivery(
  parts: DeliveryParts,
  event: LoggedEvent,
  line: StoredResultLine,
): Promise<void> {
  await parts.redis.sadd(parts.keys.openDeliveries(event.batch), idOf(event))
  await sendOff(parts, event, lineData(line))
}

async function sendOff(parts: DeliveryParts, event: LoggedEvent, data: object): Promise<void> {
  const { type, batch, round, sequence, atMs } = event
  await enqueueDelivery(parts.queues, batchEndpoint, {
    v: 1,
    event: idOf(event),
    batch,
    round,
    terminal: isTerminal(event),
    attempts_made: 0,
    body: JSON.stringify({ type, timestamp: new Date(atMs).toISOString(), data: { ...data, sequence } }),
  })
}

/** A delivery is through, delivered or given up. Gives how many are still under way to that webhook. */
export async function closeDelivery(
  { redis, keys }: Pick<DeliveryParts, 'redis' | 'keys'>,
  batch: string,
  delivery: string,
): Promise<number> {
  await redis.srem(keys.openDeliveries(batch), delivery)
  return await redis.scard(keys.openDeliveries(batch))
}

/** Derived, so that telling it again is telling the same (docs/webhooks.md). */
function idOf({ type, batch, round, index, control }: LoggedEvent): string {
  return eventId({
    type,
    batch,
    round,
    ...(index === undefined ? {} : { index }),
    ...(control === undefined ? {} : { version: control }),
  })
}

async function batchData(parts: DeliveryParts, manifest: Manifest, event: LoggedEvent): Promise<object | undefined> {
  const { redis, keys, store } = parts
  if (!isTerminal(event)) return await readBatchObject(parts, manifest.tenant, event.batch)
  // The end of a round is told as it was, also where the next one runs already.
  const summary = await readSummary(store, event.batch)
  if (summary === undefined) return undefined
  // Lists ask a batch whose next round runs.
  if ((await readControl(store, event.batch)).round <= summary.round) {
    await rewriteListing(store, manifest.tenant, summary.batch)
  }
  const open = await redis.sismember(keys.undelivered, `${event.batch}.${String(event.round)}`)
  return open === 1 ? summary.batch : undefined
}

async function itemData(parts: DeliveryParts, { batch, round, index = 0 }: LoggedEvent): Promise<object | undefined> {
  const line = await readItemOutcome(parts, batch, round, index)
  return line === undefined ? undefined : lineData(line)
}

/** The result line without a link: a link would be too old by the time that somebody reads it. */
function lineData({ round: _, attempt_log: __, ...line }: StoredResultLine): object {
  return line
}

/** The end of a round is delivered, given up, or wanted by nobody: the batch is no longer among the live. */
export async function letGoOfEnded(
  { redis, keys, store }: Pick<DeliveryParts, 'redis' | 'keys' | 'store'>,
  batch: string,
  round: number,
): Promise<void> {
  await removeMarker(store, batch, round)
  await redis.srem(keys.undelivered, `${batch}.${String(round)}`)
}
