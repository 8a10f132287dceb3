import { z } from 'zod'
import type { Redis } from '../redis/connect.ts'
import type { Keys } from '../redis/keys.ts'
import { defineScript } from '../redis/script.ts'
import type { LogEntry } from '../contract/result.ts'
import { logText } from './attempt-log.ts'
import { type Hold, holdKeys } from './hold.ts'

const lua = (name: string): URL => new URL(name, import.meta.url)

const script = defineScript({
  file: lua('./put-back.lua'),
  libraries: [lua('./states.lua'), lua('./tries.lua'), lua('./fence.lua'), lua('./budget.lua'), lua('./log.lua')],
  keys: ['fence', 'live', 'states', 'tries', 'log', 'claimed'],
  args: ['process', 'attempt', 'index', 'calls', 'unknown', 'bad', 'cost_nano', 'suspected', 'keep_url', 'log_entry'],
  answer: z.enum(['back', 'lost']),
})

/** What a call came to that is not booked yet. All zero: nothing was sent, or it was booked when it was answered. */
export interface Booking {
  readonly calls: number
  readonly unknown: number
  readonly bad: number
  readonly costNano: number
  readonly suspected: number
}

export const nothingToBook: Booking = { calls: 0, unknown: 0, bad: 0, costNano: 0, suspected: 0 }

/** Gives an item back without an outcome. `keepUrl`: the answer is paid and still to be fetched. */
export async function putBack(
  redis: Redis,
  keys: Keys,
  hold: Hold,
  booking: Booking,
  keepUrl: boolean,
  entry?: LogEntry,
): Promise<void> {
  await script(redis, holdKeys(keys, hold), {
    process: hold.process,
    attempt: hold.attempt,
    index: hold.index,
    calls: booking.calls,
    unknown: booking.unknown,
    bad: booking.bad,
    cost_nano: booking.costNano,
    suspected: booking.suspected,
    keep_url: keepUrl ? '1' : '0',
    log_entry: logText(entry),
  })
}
