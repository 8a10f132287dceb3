import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import {
  closeLane,
  noteAlive,
  noteSuspect,
  noteTransient,
  openLane,
  readLane,
} from '../../../../src/shared/lanes/lane.ts'
import { bookSlots, type Booked } from '../../../../src/shared/lanes/rate.ts'
import type { Redis } from '../../../../src/shared/redis/connect.ts'
import { freshEngine, openRedis, readEvents, type Engine } from '../../../support/engine.ts'

let redis: Redis
let engine: Engine
beforeAll(() => {
  redis = openRedis()
})
afterAll(() => {
  redis.disconnect()
})
beforeEach(async () => {
  engine = await freshEngine(redis)
})

const down = (lane: 'provider' | 'storage' = 'provider'): Promise<boolean> =>
  closeLane(redis, engine.keys, lane, lane === 'provider' ? 'provider_down' : 'storage_down', 'it is down')
const open = (): Promise<boolean> => openLane(redis, engine.keys, 'provider')
const transient = (): Promise<boolean> => noteTransient(redis, engine.keys, 'status 500')
const suspect = (item: string): Promise<string> => noteSuspect(redis, engine.keys, item, 'status 403')
const eventTypes = async (): Promise<(string | undefined)[]> => (await readEvents(engine)).map(({ type }) => type)
const book = (): Promise<Booked> => bookSlots(redis, engine.keys, 1, 0)

async function redisNowMs(): Promise<number> {
  const [seconds, micros] = await redis.time()
  return Number(seconds) * 1000 + Math.floor(Number(micros) / 1000)
}

/** As if so much time had gone by since the last try. */
async function letPass(lane: 'provider' | 'storage', ms: number): Promise<void> {
  await redis.hincrby(engine.keys.lane(lane), 'next_probe_ms', -ms)
}

describe('a lane', () => {
  it('is open until it is closed, and says why and since when', async () => {
    expect(await readLane(redis, engine.keys, 'provider')).toMatchObject({ open: true, reason: undefined })
    const before = await redisNowMs()
    await down()
    const lane = await readLane(redis, engine.keys, 'provider')
    expect(lane).toMatchObject({ open: false, reason: 'provider_down', detail: 'it is down' })
    expect(lane.sinceMs).toBeGreaterThanOrEqual(before)
    expect(lane.nextProbeMs - lane.sinceMs).toBe(1000)
    expect(await readLane(redis, engine.keys, 'storage')).toMatchObject({ open: true })
  })

  it('is closed once and opened once, with one event each, however many workers say so', async () => {
    const closed = await Promise.all(Array.from({ length: 6 }, () => down()))
    expect(closed.filter(Boolean)).toHaveLength(1)
    const opened = await Promise.all(Array.from({ length: 6 }, () => open()))
    expect(opened.filter(Boolean)).toHaveLength(1)
    expect(await readEvents(engine)).toMatchObject([
      { type: 'provider.lane_closed', batch: '', lane: 'provider' },
      { type: 'provider.lane_opened', batch: '', lane: 'provider' },
    ])
  })

  it('keeps the reason that closed it', async () => {
    await closeLane(redis, engine.keys, 'provider', 'provider_auth', 'the key was revoked')
    expect(await down()).toBe(false)
    expect(await readLane(redis, engine.keys, 'provider')).toMatchObject({ reason: 'provider_auth' })
  })

  it('tells nothing where it was open already', async () => {
    expect(await open()).toBe(false)
    expect(await eventTypes()).toEqual([])
  })

  it('forgets on opening what closed it', async () => {
    await down()
    await open()
    expect(await readLane(redis, engine.keys, 'provider')).toMatchObject({ open: true, reason: undefined, detail: '' })
  })
})

describe('transient failures', () => {
  it('close the lane at ten in a row, over all workers, with one event', async () => {
    const closed: boolean[] = []
    for (let at = 0; at < 12; at += 1) closed.push(await transient())
    expect(closed.indexOf(true)).toBe(9)
    expect(closed.filter(Boolean)).toHaveLength(1)
    expect(await readLane(redis, engine.keys, 'provider')).toMatchObject({ open: false, reason: 'provider_down' })
    expect(await eventTypes()).toEqual(['provider.lane_closed'])
  })

  it('close it once where the ten come at the same moment', async () => {
    const closed = await Promise.all(Array.from({ length: 15 }, () => transient()))
    expect(closed.filter(Boolean)).toHaveLength(1)
  })

  it('begin to count anew when the lane has opened', async () => {
    for (let at = 0; at < 10; at += 1) await transient()
    await open()
    for (let at = 0; at < 9; at += 1) expect(await transient()).toBe(false)
    expect(await transient()).toBe(true)
  })
})

describe('an answer that speaks of one item only', () => {
  it('breaks the row of failures and clears a suspicion', async () => {
    for (let at = 0; at < 9; at += 1) await transient()
    await suspect('a')
    await noteAlive(redis, engine.keys)
    expect([await transient(), await suspect('b')]).toEqual([false, 'first'])
    expect(await eventTypes()).toEqual([])
  })

  it('opens a closed lane, with its one event', async () => {
    await down()
    await noteAlive(redis, engine.keys)
    await noteAlive(redis, engine.keys)
    expect(await readLane(redis, engine.keys, 'provider')).toMatchObject({ open: true })
    expect(await eventTypes()).toEqual(['provider.lane_closed', 'provider.lane_opened'])
  })
})

describe('a bare 403', () => {
  it('makes its item the suspect, and closes the lane when a second item confirms it', async () => {
    expect(await suspect('a')).toBe('first')
    expect(await readLane(redis, engine.keys, 'provider')).toMatchObject({ open: true })
    expect(await suspect('a')).toBe('same')
    expect(await readLane(redis, engine.keys, 'provider')).toMatchObject({ open: true })
    expect(await suspect('b')).toBe('closed')
    expect(await readLane(redis, engine.keys, 'provider')).toMatchObject({ open: false, reason: 'provider_auth' })
    expect(await eventTypes()).toEqual(['provider.lane_closed'])
  })

  it('is no longer held against an item when the lane is closed: it is kept, whoever tries', async () => {
    await suspect('a')
    await suspect('b')
    expect([await suspect('a'), await suspect('b'), await suspect('c')]).toEqual(['closed', 'closed', 'closed'])
    expect(await eventTypes()).toEqual(['provider.lane_closed'])
  })

  it('is a first suspicion again after the lane has opened', async () => {
    await suspect('a')
    await suspect('b')
    await open()
    expect(await suspect('b')).toBe('first')
  })
})

describe('while a lane is closed', () => {
  it.each(['provider', 'storage'] as const)('one caller at a time may try the %s', async (lane) => {
    await down(lane)
    const soon = await book()
    expect(soon).toMatchObject({ kind: 'closed', lane })
    expect(soon.kind === 'closed' && soon.waitMs > 0 && soon.waitMs <= 1000).toBe(true)
    await letPass(lane, 1000)
    const booked = await Promise.all(Array.from({ length: 8 }, () => book()))
    expect(booked.filter(({ kind }) => kind === 'probe')).toEqual([{ kind: 'probe', lane }])
    expect(booked.filter(({ kind }) => kind === 'closed')).toHaveLength(7)
  })

  it('tries come after 1 s, 2 s, 4 s, and never more than 30 s apart', async () => {
    await down()
    const waits: number[] = []
    let waitMs = 1000
    for (let at = 0; at < 8; at += 1) {
      await letPass('provider', waitMs)
      expect(await book()).toEqual({ kind: 'probe', lane: 'provider' })
      const next = await book()
      if (next.kind !== 'closed') throw new Error(next.kind)
      waitMs = next.waitMs
      waits.push(Math.ceil(waitMs / 1000))
    }
    expect(waits).toEqual([2, 4, 8, 16, 30, 30, 30, 30])
  })

  it('the storage is tried first where both are: an image that cannot be kept must not be made', async () => {
    await down('provider')
    await down('storage')
    await letPass('provider', 1000)
    await letPass('storage', 1000)
    expect(await book()).toEqual({ kind: 'probe', lane: 'storage' })
    expect(await book()).toMatchObject({ kind: 'closed', lane: 'storage' })
  })

  it('no slot of the rate is spent', async () => {
    await down()
    await book()
    await letPass('provider', 1000)
    await book()
    expect(await redis.hget(engine.keys.rate, 'next_us')).toBeNull()
    await open()
    expect(await book()).toMatchObject({ kind: 'slots', waitMs: 0 })
  })

  it('begins with short waits again when it closes the next time', async () => {
    await down()
    for (let at = 0; at < 5; at += 1) {
      await letPass('provider', 40_000)
      await book()
    }
    await open()
    await down()
    const soon = await book()
    expect(soon.kind === 'closed' && soon.waitMs <= 1000).toBe(true)
  })
})
