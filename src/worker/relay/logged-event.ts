import type { Redis } from '../../shared/redis/connect.ts'
import type { Keys } from '../../shared/redis/keys.ts'

/** An event as the log holds it: what happened, not how it looks to whoever is told. */
export interface LoggedEvent {
  /** Its place in the log. */
  readonly id: string
  readonly type: string
  readonly batch: string
  readonly round: number
  readonly sequence: number
  readonly atMs: number
  /** Version of the control that it tells of; undefined for all others. */
  readonly control: number | undefined
  /** The item that it tells of; undefined for all others. */
  readonly index: number | undefined
}

const terminal = new Set(['batch.completed', 'batch.failed', 'batch.expired', 'batch.cancelled'])

/** Whether it tells of the end of a round. */
export function isTerminal(event: Pick<LoggedEvent, 'type'>): boolean {
  return terminal.has(event.type)
}

/** The place before all events. */
export const logStart = '0-0'

/**
 * The next events behind `after`, at most `count`. `lost`: the event at `after` is no longer in the log, so others behind
 * it may be lost with it.
 */
export async function readEvents(
  redis: Redis,
  keys: Keys,
  after: string,
  count: number,
): Promise<{ events: LoggedEvent[]; lost: boolean }> {
  const entries = await redis.xrange(keys.events, after, '+', 'COUNT', count + 1)
  const stands = entries[0]?.[0] === after
  const next = (stands ? entries.slice(1) : entries).slice(0, count)
  return { events: next.map(([id, fields]) => readEvent(id, fields)), lost: after !== logStart && !stands }
}

/** The place of the last event in the log. */
export async function lastPlace(redis: Redis, keys: Keys): Promise<string> {
  const [last] = await redis.xrevrange(keys.events, '+', '-', 'COUNT', 1)
  return last?.[0] ?? logStart
}

function readEvent(id: string, fields: readonly string[]): LoggedEvent {
  const pairs = new Map<string, string>()
  for (let at = 0; at < fields.length; at += 2) pairs.set(fields[at] ?? '', fields[at + 1] ?? '')
  const optional = (name: string): number | undefined => {
    const text = pairs.get(name) ?? ''
    return text === '' ? undefined : Number(text)
  }
  return {
    id,
    type: pairs.get('type') ?? '',
    batch: pairs.get('batch') ?? '',
    round: Number(pairs.get('round')),
    sequence: Number(pairs.get('sequence')),
    atMs: Number(pairs.get('at_ms')),
    control: optional('control'),
    index: optional('index'),
  }
}
