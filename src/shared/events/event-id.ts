import { createHash } from 'node:crypto'

/**
 * The id of an event, derived from what it tells of, so that announcing it twice (after a crash, after the loss of
 * Redis) gives one id: a batch's end from type, batch and round; an item's from its index too; a control event from
 * `version`. `msg_` + 32 characters of `[0-9a-f]`, the same on every attempt and replay;
 * no dot, which parts id, time and body in what is signed (docs/webhooks.md).
 */
export function eventId(parts: {
  type: string
  batch: string
  round: number
  index?: number
  version?: number
}): string {
  const told = [parts.type, parts.batch, parts.round, parts.index ?? null, parts.version ?? null]
  return `msg_${createHash('sha256').update(JSON.stringify(told)).digest('hex').slice(0, 32)}`
}
