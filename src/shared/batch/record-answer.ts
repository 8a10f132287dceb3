import { z } from 'zod'
import type { Redis } from '../redis/connect.ts'
import type { Keys } from '../redis/keys.ts'
import { defineScript } from '../redis/script.ts'
import type { LogEntry } from '../contract/result.ts'
import { logText } from './attempt-log.ts'
import { type Hold, holdKeys } from './hold.ts'

const lua = (name: string): URL => new URL(name, import.meta.url)

const script = defineScript({
  file: lua('./record-answer.lua'),
  libraries: [
    lua('./states.lua'),
    lua('./tries.lua'),
    lua('./fence.lua'),
    lua('./budget.lua'),
    lua('./log.lua'),
    lua('../lanes/lane.lua'),
  ],
  keys: ['fence', 'live', 'states', 'tries', 'log', 'provider_lane', 'events'],
  args: ['process', 'attempt', 'index', 'url', 'log_entry'],
  answer: z.enum(['booked', 'again', 'lost']),
})

/**
 * Books the granted call as answered and paid, and keeps the answer's URL, so that whoever takes over fetches the
 * bytes and does not pay again. A good answer also opens a closed provider lane. `lost`: another attempt took over and has booked the call already.
 */
export async function recordAnswer(
  redis: Redis,
  keys: Keys,
  hold: Hold,
  url: string | undefined,
  entry?: LogEntry,
): Promise<'booked' | 'again' | 'lost'> {
  const { fence, live, states, tries, log } = holdKeys(keys, hold)
  return await script(
    redis,
    { fence, live, states, tries, log, provider_lane: keys.lane('provider'), events: keys.events },
    { process: hold.process, attempt: hold.attempt, index: hold.index, url: url ?? '', log_entry: logText(entry) },
  )
}
