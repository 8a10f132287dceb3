import { randomBytes } from 'node:crypto'
import { expect, inject } from 'vitest'
import { claimItem, type Claim } from '../../src/shared/batch/claim.ts'
import { createBatch, type Known, type KnownOutcome } from '../../src/shared/batch/create.ts'
import { markFed } from '../../src/shared/batch/feed-turn.ts'
import { grantCall, type Grant } from '../../src/shared/batch/grant.ts'
import type { Hold } from '../../src/shared/batch/hold.ts'
import { readLive, type LiveBatch } from '../../src/shared/batch/live.ts'
import { settleItem, type Settled, type Settlement } from '../../src/shared/batch/settle.ts'
import { nothingToBook } from '../../src/shared/batch/put-back.ts'
import { itemState, stateAt, type ItemState } from '../../src/shared/batch/states.ts'
import { itemId, newBatchId } from '../../src/shared/contract/ids.ts'
import type { AcceptedOptions } from '../../src/shared/contract/accepted.ts'
import type { ItemOutcome } from '../../src/shared/contract/result.ts'
import { chunkSize } from '../../src/shared/ledger/chunks.ts'
import { firstControl, type Control } from '../../src/shared/ledger/control.ts'
import type { Manifest } from '../../src/shared/ledger/manifest.ts'
import { connect, type Redis } from '../../src/shared/redis/connect.ts'
import { newKeys, type Keys } from '../../src/shared/redis/keys.ts'

/** A real Redis and names in it that no other test has: what the scripts of the engine's state stand on. */
export interface Engine {
  readonly redis: Redis
  readonly keys: Keys
}

export const runId = 'run-of-this-redis'
export const startedAtMs = 1_700_000_000_000

/** One more client of the tests' Redis; `close` ends it. */
export function openRedis(): Redis {
  return connect(inject('redisUrl'), 'own', (error) => {
    throw error
  })
}

/** Fresh names, and an epoch that says that all is well. */
export async function freshEngine(redis: Redis, prefix = `{t-${randomBytes(6).toString('hex')}}`): Promise<Engine> {
  const keys = newKeys(prefix)
  await redis.hset(keys.epoch, 'run_id', runId, 'quiet_until_ms', 0)
  return { redis, keys }
}

/** What was accepted, as the ledger holds it. */
export function newManifest(total: number, options: Partial<AcceptedOptions> = {}, tenant = 'default'): Manifest {
  return {
    v: 1,
    batch: newBatchId(startedAtMs, Math.random),
    tenant,
    attempt: 'accept-1',
    body_hash: 'hash',
    created_at_ms: startedAtMs,
    options: {
      name: null,
      priority: 'standard',
      overwrite: 'changed',
      shared_keys: false,
      max_attempts: 3,
      webhook: null,
      metadata: {},
      cache_control: null,
      budget_nano: null,
      expires_at_ms: null,
      ...options,
    },
    total,
    chunks: Math.ceil(total / chunkSize),
    warnings: [],
    answer: '{}',
  }
}

/** Accepts a batch; `fed`: so many of its first items are on the queue. */
export async function newBatch(
  { redis, keys }: Engine,
  total: number,
  more: { fed?: number; options?: Partial<AcceptedOptions>; tenant?: string; known?: Known } = {},
): Promise<Manifest> {
  const manifest = newManifest(total, more.options, more.tenant)
  expect(await createBatch(redis, keys, manifest, more.known)).toBe('created')
  const fed = Array.from({ length: more.fed ?? 0 }, (_, index) => index)
  if (fed.length > 0) await markFed(redis, keys, manifest.batch, fed)
  return manifest
}

/** What the ledger knows of a batch: these outcomes, under this control, and nothing that earlier rounds came to. */
export function known(
  outcomes: ReadonlyMap<number, Omit<KnownOutcome, 'round'>>,
  control: Partial<Control> = {},
): Known {
  const round = control.round ?? 1
  return {
    control: { ...firstControl, ...control },
    outcomes: new Map([...outcomes].map(([index, outcome]) => [index, { round, ...outcome }])),
    spent: { calls: 0, costNano: 0, indeterminate: 0 },
  }
}

let attempts = 0

/** A new attempt at an item. Its process lives only where `beat` said so. */
export function newHold(manifest: Manifest, index: number, more: Partial<Hold> = {}): Hold {
  attempts += 1
  return {
    process: 'process-1',
    attempt: String(attempts),
    tenant: manifest.tenant,
    batch: manifest.batch,
    priority: manifest.options.priority,
    index,
    round: 1,
    stem: `${manifest.batch}/item-${String(index)}`,
    ...more,
  }
}

/** The lease of a process: it ends in so many milliseconds by Redis' clock, or has ended where that is negative. */
export async function beat({ redis, keys }: Engine, process: string, leaseMs = 60_000): Promise<void> {
  const [seconds] = await redis.time()
  await redis.zadd(keys.beats, Number(seconds) * 1000 + leaseMs, process)
}

export async function claim(
  { redis, keys }: Engine,
  hold: Hold,
  stillRuns: (attempt: string) => boolean = () => false,
): Promise<Claim> {
  return await claimItem(redis, keys, runId, hold, stillRuns)
}

export const priceNano = 3_000_000

export async function grant({ redis, keys }: Engine, hold: Hold, probe = false): Promise<Grant> {
  return await grantCall(redis, keys, runId, hold, { priceNano, probe })
}

/** Claims and is granted a call: what a worker does up to sending. */
export async function claimAndGrant(engine: Engine, hold: Hold): Promise<void> {
  expect(await claim(engine, hold)).toMatchObject({ kind: 'claimed' })
  expect(await grant(engine, hold)).toBe('granted')
}

/** Settles an item as a worker does, with a line that names it. */
export async function settle(
  { redis, keys }: Engine,
  manifest: Manifest,
  hold: Hold,
  status: ItemOutcome,
  more: Partial<Settlement> = {},
): Promise<Settled> {
  const id = itemId(hold.batch, hold.index)
  return await settleItem(redis, keys, hold, {
    outcome: {
      id,
      custom_id: `item-${String(hold.index + 1)}`,
      status,
      response: status === 'failed' ? null : { status_code: 200, request_id: id, body: { created: 1, data: [] } },
      error: status === 'failed' ? oneError : null,
    },
    booking: nothingToBook,
    ownObjectCostNano: undefined,
    priced: true,
    total: manifest.total,
    waitingKey: `${keys.prefix}:generate-standard:wait`,
    nowMs: startedAtMs + 1000,
    ...more,
  })
}

const oneError = {
  code: 'provider_error' as const,
  message: 'It did not work.',
  retryable: true,
  provider_code: null,
  provider_status: 500,
}

export interface BatchState {
  readonly live: LiveBatch
  /** By item index. */
  readonly states: readonly ItemState[]
  /** `calls:unknown:bad:cost_nano:suspected:answered` by item index. */
  readonly tries: Readonly<Record<string, string>>
}

const stateNames = Object.keys(itemState) as ItemState[]

/** All that Redis holds of a batch. Throws unless its counts add up and are those of its item states. */
export async function readState({ redis, keys }: Engine, batch: string): Promise<BatchState> {
  const live = await readLive(redis, keys, batch)
  const packed = await redis.getBuffer(keys.batch(batch).states)
  if (live === undefined || packed === null) throw new Error(`Redis does not have ${batch}`)
  const states = Array.from({ length: live.total }, (_, index) => stateNames[stateAt(packed, index)] ?? 'open')
  const counted = Object.fromEntries(stateNames.map((name) => [name, states.filter((state) => state === name).length]))
  expect(Object.fromEntries(stateNames.map((name) => [name, live[name]]))).toEqual(counted)
  expect(packed.length).toBe(Math.ceil(live.total / 2))
  return { live, states, tries: await redis.hgetall(keys.batch(batch).tries) }
}

export async function readFence({ redis, keys }: Engine, hold: Hold): Promise<Record<string, string>> {
  return await redis.hgetall(keys.fence(hold.tenant, hold.stem))
}

/** The event log, oldest first, a record an event. */
export async function readEvents({ redis, keys }: Engine): Promise<Record<string, string>[]> {
  const entries = await redis.xrange(keys.events, '-', '+')
  return entries.map(([, fields]) => {
    const pairs = Array.from({ length: fields.length / 2 }, (_, at) => [fields[2 * at], fields[2 * at + 1]])
    return Object.fromEntries(pairs) as Record<string, string>
  })
}
