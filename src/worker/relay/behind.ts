import { z } from 'zod'
import { readChunkOutcomes, readItemOutcome } from '../../shared/batch/chunk-outcomes.ts'
import { chunkOf, chunkSize, indexOf } from '../../shared/ledger/chunks.ts'
import { readControl } from '../../shared/ledger/control.ts'
import { readManifest, type Manifest } from '../../shared/ledger/manifest.ts'
import { done, type Verdict } from '../../shared/queues/verdict.ts'
import { defineScript } from '../../shared/redis/script.ts'
import type { StoredResultLine } from '../../shared/contract/result.ts'
import { isWanted, openItemDelivery, openMax, type DeliveryParts } from './deliveries.ts'
import { lastPlace, readEvents, type LoggedEvent } from './logged-event.ts'

const caughtUpScript = defineScript({
  file: new URL('./caught-up.lua', import.meta.url),
  keys: ['behind', 'events'],
  args: ['batch', 'at'],
  answer: z.number(),
})

/** A webhook goes on once so few of its deliveries are under way. */
export const goOnAt = openMax / 2

const readAtOnce = 200

/** Outcomes that are told one by one; what a cancelled batch did not make is told by its end. */
const toldStatuses: ReadonlySet<string> = new Set(['succeeded', 'reused', 'failed'])

/**
 * Goes on with a webhook that fell behind, as far as its receiver has room: through the log, or, where the log has lost
 * what it still had to tell, through the results, under the same ids.
 *
 * Its place is a log id, or `<index>@<log id>`: items from that index on, then the log from that id on. It goes to the
 * log's end, past the relay's cursor: what the relay passes over while this catches up is told here.
 */
export async function relayBehind(parts: DeliveryParts, batch: string): Promise<Verdict> {
  const { redis, keys, store } = parts
  const manifest = await readManifest(store, batch)
  for (;;) {
    const place = await redis.hget(keys.behind, batch)
    if (place === null) return done
    if (manifest === undefined) {
      await redis.hdel(keys.behind, batch)
      return done
    }
    const room = openMax - (await redis.scard(keys.openDeliveries(batch)))
    if (room <= 0) return done
    const next = place.includes('@')
      ? await fromResults(parts, manifest, place, room)
      : await fromLog(parts, manifest, place, room)
    if (next === undefined) return done
    await redis.hset(keys.behind, batch, next)
  }
}

/** Where a webhook goes on of whose events the log has lost some: the results know of all that the log holds by now. */
export async function placeInResults({ redis, keys }: DeliveryParts): Promise<string> {
  return `0@${await lastPlace(redis, keys)}`
}

/** The next place, or undefined where the webhook is with the others again. */
async function fromLog(
  parts: DeliveryParts,
  manifest: Manifest,
  place: string,
  room: number,
): Promise<string | undefined> {
  const { redis, keys } = parts
  const { events, lost } = await readEvents(redis, keys, place, Math.min(readAtOnce, room))
  if (lost) return await placeInResults(parts)
  for (const event of events) {
    if (event.batch !== manifest.batch || event.index === undefined || !isWanted(manifest, event)) continue
    const line = await readItemOutcome(parts, event.batch, event.round, event.index)
    if (line !== undefined) await openItemDelivery(parts, event, line)
  }
  const last = events.at(-1)
  if (last !== undefined) return last.id
  const caughtUp = await caughtUpScript(
    redis,
    { behind: keys.behind, events: keys.events },
    { batch: manifest.batch, at: place },
  )
  return caughtUp === 1 ? undefined : place
}

async function fromResults(
  parts: DeliveryParts,
  manifest: Manifest,
  place: string,
  room: number,
): Promise<string | undefined> {
  const [from = '0', id = '0-0'] = place.split('@')
  const index = Number(from)
  if (index >= manifest.total) return id
  const control = await readControl(parts.store, manifest.batch)
  const chunk = chunkOf(index)
  const lines = await readChunkOutcomes(parts, { batch: manifest.batch, chunk, live: true, control })
  const due = [...lines.values()]
    .filter((line) => toldStatuses.has(line.status) && indexOf(line) >= index)
    .sort((a, b) => indexOf(a) - indexOf(b))
  for (const line of due.slice(0, room)) {
    const event = eventOf(manifest.batch, line, parts.clock.now())
    if (isWanted(manifest, event)) await openItemDelivery(parts, event, line)
  }
  const rest = due[room]
  return `${String(rest === undefined ? (chunk + 1) * chunkSize : indexOf(rest))}@${id}`
}

function eventOf(batch: string, line: StoredResultLine, nowMs: number): LoggedEvent {
  return {
    id: '',
    type: line.status === 'failed' ? 'item.failed' : 'item.succeeded',
    batch,
    round: line.round,
    sequence: indexOf(line) + 1,
    atMs: nowMs,
    control: undefined,
    index: indexOf(line),
  }
}
