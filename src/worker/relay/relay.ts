import { z } from 'zod'
import { readManifest, type Manifest } from '../../shared/ledger/manifest.ts'
import { readSummary } from '../../shared/ledger/summary.ts'
import { trigger } from '../../shared/queues/enqueue.ts'
import { done, type Verdict } from '../../shared/queues/verdict.ts'
import { defineScript } from '../../shared/redis/script.ts'
import { isWanted, letGoOfEnded, openDelivery, type DeliveryParts } from './deliveries.ts'
import { placeInResults } from './behind.ts'
import { isTerminal, logStart, readEvents, type LoggedEvent } from './logged-event.ts'

const moveCursor = defineScript({
  file: new URL('./move-cursor.lua', import.meta.url),
  keys: ['cursor'],
  args: ['from', 'to'],
  answer: z.number(),
})

const readAtOnce = 100
const itemEvents = ['item.succeeded', 'item.failed'] as const

/** Reads the event log and makes a delivery for whoever wants the event; then moves its cursor, never before. */
export async function relayEvents(parts: DeliveryParts): Promise<Verdict> {
  const { redis, keys } = parts
  for (;;) {
    const cursor = (await redis.get(keys.relayCursor)) ?? logStart
    const { events, lost } = await readEvents(redis, keys, cursor, readAtOnce)
    if (lost) await tellFromResults(parts)
    else if (events.length === 0) return done
    let before = lost ? logStart : cursor
    const manifests = new Map<string, Promise<Manifest | undefined>>()
    for (const event of events) {
      const manifest = manifests.get(event.batch) ?? manifestOf(parts, event.batch)
      manifests.set(event.batch, manifest)
      await relayEvent(parts, event, before, await manifest)
      before = event.id
    }
    // Another relay was quicker: its deliveries have the same ids as ours.
    if ((await moveCursor(redis, { cursor: keys.relayCursor }, { from: cursor, to: before })) === 0) return done
  }
}

/**
 * The log has lost events that were not read yet: whoever wants to hear of items is told of them from the results. Ends
 * of batches are told again until they are delivered anyway.
 */
async function tellFromResults(parts: DeliveryParts): Promise<void> {
  const { redis, keys, store, queues } = parts
  const ended = (await redis.smembers(keys.undelivered)).map((name) => name.split('.')[0] ?? '')
  for (const batch of new Set([...(await redis.smembers(keys.batches)), ...ended])) {
    const manifest = await readManifest(store, batch)
    if (manifest === undefined || !itemEvents.some((type) => isWanted(manifest, { type }))) continue
    await redis.hsetnx(keys.behind, batch, await placeInResults(parts))
    await trigger(queues, { v: 1, kind: 'relay-behind', batch })
  }
}

/** Ended batches whose event is not delivered: what the log has lost is told again, under the same id. */
export async function relayUndelivered(parts: DeliveryParts): Promise<void> {
  for (const ended of await parts.redis.smembers(parts.keys.undelivered)) {
    const [batch = '', round = ''] = ended.split('.')
    const summary = await readSummary(parts.store, batch)
    if (summary === undefined) continue
    const { status, completed_at, cancelled_at, expired_at, created_at } = summary.batch
    const event: LoggedEvent = {
      id: '',
      type: `batch.${status}`,
      batch,
      round: Number(round),
      sequence: summary.sequence,
      atMs: (completed_at ?? cancelled_at ?? expired_at ?? created_at) * 1000,
      control: undefined,
      index: undefined,
    }
    await relayEvent(parts, event, '', await readManifest(parts.store, batch))
  }
}

async function relayEvent(
  parts: DeliveryParts,
  event: LoggedEvent,
  before: string,
  manifest: Manifest | undefined,
): Promise<void> {
  if (manifest === undefined) return // a lane's event, which nobody can ask for yet; or the batch was deleted
  if (isWanted(manifest, event)) await openDelivery(parts, manifest, event, before)
  else if (isTerminal(event)) await letGoOfEnded(parts, event.batch, event.round)
}

async function manifestOf({ store }: DeliveryParts, batch: string): Promise<Manifest | undefined> {
  return batch === '' ? undefined : await readManifest(store, batch)
}
