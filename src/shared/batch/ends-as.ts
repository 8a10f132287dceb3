import { z } from 'zod'
import type { Redis } from '../redis/connect.ts'
import type { Keys } from '../redis/keys.ts'
import { defineScript } from '../redis/script.ts'

const lua = (name: string): URL => new URL(name, import.meta.url)

const script = defineScript({
  file: lua('./ends-as.lua'),
  libraries: [lua('./states.lua')],
  keys: ['live'],
  args: ['round'],
  answer: z.enum(['completed', 'cancelled', 'expired', 'refused']),
})

/** Fixes how a batch ends in which nothing is open; from then on it is too late to say anything of it. */
export async function fixEnd(
  redis: Redis,
  keys: Keys,
  batch: string,
  round: number,
): Promise<'completed' | 'cancelled' | 'expired' | 'refused'> {
  return await script(redis, { live: keys.batch(batch).live }, { round })
}
