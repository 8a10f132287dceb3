import { createHash } from 'node:crypto'
import type { Priority } from '../contract/priority.ts'

/** Keys of one live batch. They expire soon after its end: the ledger answers from then on. */
export interface BatchKeys {
  /** Hash: options, counts, usage, status, round. */
  readonly live: string
  /** String of 4 bits an item: `batch/states.ts`. */
  readonly states: string
  /** Hash index -> calls made and their cost, only for items that were called and not settled. */
  readonly tries: string
  /** Hash index -> what happened to its calls, as long as it is not settled. */
  readonly log: string
  /** Set of indexes whose output key an attempt has claimed. */
  readonly claimed: string
  /** Hash chunk -> items settled in it. */
  readonly settled: string
  /** Sorted set chunk -> time of its oldest outcome that is not in the ledger yet. */
  readonly unsealed: string
  /** Hash index -> outcome not yet in the ledger. */
  outcomes(chunk: number): string
}

/** Every key of ours. All hold the prefix with its hash tag, so that one script may touch any of them on a Cluster. */
export interface Keys {
  readonly prefix: string
  readonly epoch: string
  /** Stream: the event log. */
  readonly events: string
  /** String: how far the relay has read. */
  readonly relayCursor: string
  /** Hash batch -> where its own webhook goes on, while its receiver takes less than there is to tell. */
  readonly behind: string
  /** Sorted set process -> end of its lease by Redis' clock. */
  readonly beats: string
  /** Hash process -> what it says of itself. */
  readonly workers: string
  /** Hash: the provider's rate. */
  readonly rate: string
  /** Set of live batches. */
  readonly batches: string
  /** Sorted set batch -> when its control was last being written: Redis may not have applied it yet. */
  readonly pendingControl: string
  /** Set of ended batches whose event is not delivered yet, as `<batch>.<round>`. */
  readonly undelivered: string
  /** Bytes of outcomes of all batches that are not in the ledger yet. */
  readonly unwritten: string
  lane(lane: 'provider' | 'storage'): string
  /** Set of deliveries under way to the webhook of a batch. */
  openDeliveries(batch: string): string
  /** A lease that one process at a time holds: for the sweep and the rebuild. */
  lease(name: string): string
  /** List of tenants that have something to feed, in turn. */
  feedTenants(priority: Priority): string
  /** List of a tenant's batches that have something to feed, in turn. */
  feedBatches(priority: Priority, tenant: string): string
  /** The claim on an output key, whatever its extension. */
  fence(tenant: string, stem: string): string
  batch(id: string): BatchKeys
}

export function newKeys(prefix: string): Keys {
  const key = (...parts: string[]): string => [prefix, ...parts].join(':')
  return {
    prefix,
    epoch: key('epoch'),
    events: key('events'),
    relayCursor: key('relay-cursor'),
    behind: key('behind'),
    beats: key('beats'),
    workers: key('workers'),
    rate: key('rate'),
    batches: key('batches'),
    pendingControl: key('pending-control'),
    undelivered: key('undelivered'),
    unwritten: key('unwritten'),
    lane: (lane) => key('lane', lane),
    openDeliveries: (batch) => key('open-deliveries', batch),
    lease: (name) => key('lease', name),
    feedTenants: (priority) => key('feed', priority),
    feedBatches: (priority, tenant) => key('feed', priority, tenant),
    fence: (tenant, stem) =>
      key('fence', createHash('sha256').update(`${tenant}/${stem}`).digest('base64url').slice(0, 24)),
    batch(id) {
      const live = key('live', id)
      return {
        live,
        states: `${live}:states`,
        tries: `${live}:tries`,
        log: `${live}:log`,
        claimed: `${live}:claimed`,
        settled: `${live}:settled`,
        unsealed: `${live}:unsealed`,
        outcomes: (chunk) => `${live}:outcomes:${String(chunk)}`,
      }
    },
  }
}
