import { z } from 'zod'
import { chunkOf, chunkSize } from '../ledger/chunks.ts'
import type { Redis } from '../redis/connect.ts'
import type { Keys } from '../redis/keys.ts'
import { defineScript } from '../redis/script.ts'
import type { LogEntry } from '../contract/result.ts'
import { logText } from './attempt-log.ts'
import { type Hold, holdKeys } from './hold.ts'
import type { Outcome } from './outcome.ts'
import type { Booking } from './put-back.ts'
import { itemState } from './states.ts'

const lua = (name: string): URL => new URL(name, import.meta.url)

const script = defineScript({
  file: lua('./settle.lua'),
  libraries: [
    lua('./states.lua'),
    lua('./tries.lua'),
    lua('./fence.lua'),
    lua('./budget.lua'),
    lua('./log.lua'),
    lua('../events/append.lua'),
  ],
  keys: [
    'fence',
    'live',
    'states',
    'tries',
    'log',
    'claimed',
    'settled',
    'unsealed',
    'outcomes',
    'unwritten',
    'waiting',
    'events',
  ],
  args: [
    'batch',
    'process',
    'attempt',
    'index',
    'chunk',
    'chunk_total',
    'round',
    'state',
    'unclaimed',
    'calls',
    'unknown',
    'bad',
    'cost_nano',
    'own_object',
    'cost_nano_min',
    'priced',
    'line',
    'log_entry',
    'now_ms',
  ],
  answer: z.array(z.string()),
})

export interface Settlement {
  readonly outcome: Outcome
  /** What the last call came to, where it is not booked yet. */
  readonly booking: Booking
  /** What is to be told of the last call, where it is not told yet. */
  readonly entry?: LogEntry | undefined
  /** It was wrong at intake: nobody has claimed it, and its failure needs no fence. */
  readonly unclaimed?: true | undefined
  /** The object at the key was made by this item: what it cost at least, in nano-dollars. Undefined: it was not. */
  readonly ownObjectCostNano: number | undefined
  /** False: the price is unknown, and so is the cost. */
  readonly priced: boolean
  /** Items of the batch. */
  readonly total: number
  /** The key of the queue's list of waiting jobs: its length says when to feed. */
  readonly waitingKey: string
  readonly nowMs: number
}

export type Settled =
  | {
      readonly kind: 'settled'
      readonly chunkFull: boolean
      readonly batchDone: boolean
      /** Jobs that wait on the queue now. */
      readonly ready: number
      /** Somebody wants the item's event: it is in the log. */
      readonly told: boolean
    }
  /** The item has its outcome of this round. */
  | { readonly kind: 'already' }
  /** Another attempt holds the fence, or another round runs: this outcome counts for nothing. */
  | { readonly kind: 'stale' }
  | { readonly kind: 'no_batch' }

/** Gives an item its one outcome of the round, in one script. Bears being called again. */
export async function settleItem(redis: Redis, keys: Keys, hold: Hold, settlement: Settlement): Promise<Settled> {
  const { outcome, booking, ownObjectCostNano } = settlement
  const chunk = chunkOf(hold.index)
  const batch = keys.batch(hold.batch)
  const [kind, chunkFull, batchDone, ready, told] = await script(
    redis,
    {
      ...holdKeys(keys, hold),
      settled: batch.settled,
      unsealed: batch.unsealed,
      outcomes: batch.outcomes(chunk),
      unwritten: keys.unwritten,
      waiting: settlement.waitingKey,
      events: keys.events,
    },
    {
      batch: hold.batch,
      process: hold.process,
      attempt: hold.attempt,
      index: hold.index,
      chunk,
      chunk_total: Math.min(chunkSize, settlement.total - chunk * chunkSize),
      round: hold.round,
      state: itemState[outcome.status],
      unclaimed: settlement.unclaimed === true ? '1' : '0',
      calls: booking.calls,
      unknown: booking.unknown,
      bad: booking.bad,
      cost_nano: booking.costNano,
      own_object: ownObjectCostNano === undefined ? '0' : '1',
      cost_nano_min: ownObjectCostNano ?? 0,
      priced: settlement.priced ? '1' : '0',
      line: JSON.stringify(outcome),
      log_entry: logText(settlement.entry),
      now_ms: settlement.nowMs,
    },
  )
  if (kind !== 'settled') return { kind: z.enum(['already', 'stale', 'no_batch']).parse(kind) }
  return { kind, chunkFull: chunkFull === '1', batchDone: batchDone === '1', ready: Number(ready), told: told === '1' }
}
