import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { bookSlots, learnedLimit, learnRate, unknownLimit } from '../../../../src/shared/lanes/rate.ts'
import type { Redis } from '../../../../src/shared/redis/connect.ts'
import { freshEngine, openRedis, type Engine } from '../../../support/engine.ts'

const clientCount = 3
let clients: Redis[]
let redis: Redis
let engine: Engine
beforeAll(() => {
  clients = Array.from({ length: clientCount }, () => openRedis())
  redis = clients[0] as Redis
})
afterAll(() => {
  for (const client of clients) client.disconnect()
})
beforeEach(async () => {
  engine = await freshEngine(redis)
})

/** What is booked of a limit: a little is kept back. */
const share = 0.985

/** As if so much time had gone by. */
async function letPass(ms: number): Promise<void> {
  for (const field of ['next_us', 'held_until_us', 'slowed_us']) {
    if ((await redis.hexists(engine.keys.rate, field)) === 1) await redis.hincrby(engine.keys.rate, field, -ms * 1000)
  }
}

/** A client that notes, in one step with its call, up to when the rate is booked: what it got ends there. */
function noting(client: Redis, note: (nextUs: number) => void): Redis {
  return new Proxy(client, {
    get(target, name, receiver) {
      if (name !== 'evalsha') return Reflect.get(target, name, receiver) as unknown
      return async (...call: Parameters<Redis['evalsha']>): Promise<unknown> => {
        const answers = await target
          .multi()
          .evalsha(...call)
          .hget(engine.keys.rate, 'next_us')
          .exec()
        const [[failed, answer], [, nextUs]] = answers as [[Error | null, unknown], [Error | null, string]]
        if (failed !== null) throw failed
        note(Number(nextUs))
        return answer
      }
    },
  })
}

/**
 * Several clients book as much as they can, at the same time, until `stretchMs` of the rate is given away; time is made
 * to pass when the slots lie too far ahead. Gives the times of the slots in microseconds, in order.
 */
async function bookStretch(stretchMs: number, ceiling: number, want: number): Promise<number[]> {
  const slots: number[] = []
  let skippedMs = 0
  await oneSlot(ceiling) // Redis knows the script from now on
  const book = async (client: Redis): Promise<boolean> => {
    let nextUs = 0
    const booked = await bookSlots(
      noting(client, (us) => {
        nextUs = us
      }),
      engine.keys,
      want,
      ceiling,
    )
    if (booked.kind !== 'slots') return false
    const intervalUs = 60_000_000 / (ceiling * share)
    for (let left = booked.count; left > 0; left -= 1) slots.push(nextUs - left * intervalUs + skippedMs * 1000)
    return true
  }
  while (slots.length < 2 || Math.max(...slots) - Math.min(...slots) < stretchMs * 1000) {
    const gotSome = await Promise.all(clients.map(book))
    if (gotSome.includes(true)) continue
    await letPass(1000)
    skippedMs += 1000
  }
  return slots.toSorted((a, b) => a - b)
}

/** The most slots in any window of this length, wherever it begins. */
function mostWithin(windowUs: number, slots: readonly number[]): number {
  let most = 0
  let from = 0
  for (const [at, time] of slots.entries()) {
    while (time - (slots[from] ?? 0) >= windowUs) from += 1
    most = Math.max(most, at - from + 1)
  }
  return most
}

const oneSlot = async (ceiling = 0): Promise<{ waitMs: number; intervalMs: number; count: number }> => {
  const booked = await bookSlots(redis, engine.keys, 1, ceiling)
  if (booked.kind !== 'slots') throw new Error(booked.kind)
  return booked
}

describe('the interval between calls', () => {
  it.each([
    ['the default, where nothing is known', 0, 0, unknownLimit],
    ['the ceiling, where nothing was learned', 120, 0, 120],
    ['what the provider says, where nothing is configured', 0, 600, 600],
    ['what the provider says, where that is less than the ceiling', 1200, 600, 600],
    ['the ceiling, where the provider would allow more', 300, 600, 300],
  ])('follows %s', async (_, ceiling, learned, limit) => {
    if (learned > 0) await learnRate(redis, engine.keys, learned, 0)
    const { intervalMs } = await oneSlot(ceiling)
    expect(intervalMs).toBeCloseTo(60_000 / (limit * share), 2)
  })

  it('follows a limit that the provider changes', async () => {
    await learnRate(redis, engine.keys, 600, 0)
    await learnRate(redis, engine.keys, 300, 0)
    expect((await oneSlot()).intervalMs).toBeCloseTo(60_000 / (300 * share), 2)
  })

  it('keeps what was learned where an answer says nothing', async () => {
    expect(await learnedLimit(redis, engine.keys)).toBeUndefined()
    await learnRate(redis, engine.keys, 600, 0)
    await learnRate(redis, engine.keys, undefined, 0)
    expect(await learnedLimit(redis, engine.keys)).toBe(600)
  })
})

describe('bookSlots', () => {
  it('gives the first slot at once and each next one an interval later', async () => {
    const first = await oneSlot(60)
    const second = await oneSlot(60)
    expect(first.waitMs).toBe(0)
    expect(second.waitMs).toBeGreaterThan(0)
    expect(second.waitMs).toBeLessThanOrEqual(first.intervalMs)
  })

  it('gives none further ahead than two seconds, and says when to ask again', async () => {
    const waits: number[] = []
    for (;;) {
      const booked = await bookSlots(redis, engine.keys, 1, 120)
      if (booked.kind === 'slots') waits.push(booked.waitMs)
      else {
        expect(booked).toMatchObject({ kind: 'later' })
        expect(booked.kind === 'later' && booked.waitMs > 0 && booked.waitMs <= 510).toBe(true)
        break
      }
    }
    expect(waits.length).toBeGreaterThanOrEqual(4)
    expect(Math.max(...waits)).toBeLessThanOrEqual(2000)
  })

  it('gives several at a time only where they are closer together than the asking takes', async () => {
    expect((await bookSlots(redis, engine.keys, 50, 600)).kind === 'slots' && (await oneSlot(600)).count).toBe(1)
    await redis.del(engine.keys.rate)
    const many = await bookSlots(redis, engine.keys, 50, 60_000)
    expect(many).toMatchObject({ kind: 'slots', count: 19 })
    await redis.del(engine.keys.rate)
    expect(await bookSlots(redis, engine.keys, 5, 60_000)).toMatchObject({ kind: 'slots', count: 5 })
  })

  it('saves nothing up: after a pause there is one slot at once, not many', async () => {
    await oneSlot(60)
    await letPass(60_000)
    expect((await oneSlot(60)).waitMs).toBe(0)
    expect((await oneSlot(60)).waitMs).toBeGreaterThan(0)
  })

  it.each([
    [600, 150_000, 1],
    [6000, 70_000, 50],
    [60_000, 5000, 50],
  ])(
    'gives clients one stream: %i a minute over %i ms, up to %i... never closer than the interval',
    async (...what) => {
      const [limit, stretchMs, want] = what
      const slots = await bookStretch(stretchMs, limit, want)
      const intervalUs = 60_000_000 / (limit * share)
      const gaps = slots.slice(1).map((at, place) => at - (slots[place] ?? 0))
      expect(Math.min(...gaps)).toBeGreaterThan(intervalUs - 3)
      // The provider counts by the minute: in none of ours, wherever it begins, is more than the limit.
      const most = mostWithin(60e6, slots)
      expect(most).toBeLessThanOrEqual(limit)
      // And no less than 97 % of it is used.
      const spanMin = ((slots.at(-1) ?? 0) - (slots[0] ?? 0)) / 60e6
      expect(slots.length - 1).toBeGreaterThanOrEqual(0.97 * limit * spanMin)
    },
  )
})

/** The share of the limit that is allowed now; it grows by a hundredth for each second that the test itself takes. */
function expectShare(allowed: number, expected: number): void {
  expect(allowed).toBeGreaterThan(expected - 0.005)
  expect(allowed).toBeLessThan(expected + 0.1)
}

describe('a 429', () => {
  it('holds everybody for as long as it says', async () => {
    await learnRate(redis, engine.keys, 600, 30_000)
    const booked = await bookSlots(redis, engine.keys, 1, 0)
    expect(booked.kind === 'later' && booked.waitMs > 20_000 && booked.waitMs <= 28_000).toBe(true)
  })

  it('does not shorten a hold that is longer', async () => {
    await learnRate(redis, engine.keys, 600, 30_000)
    await learnRate(redis, engine.keys, undefined, 1000)
    const booked = await bookSlots(redis, engine.keys, 1, 0)
    expect(booked.kind === 'later' && booked.waitMs > 20_000).toBe(true)
  })

  it('slows down to half, which comes back by a hundredth a second', async () => {
    const usual = (await oneSlot(600)).intervalMs
    await learnRate(redis, engine.keys, undefined, 1000)
    expectShare(usual / (await oneSlot(600)).intervalMs, 0.5)
    await letPass(25_000)
    expectShare(usual / (await oneSlot(600)).intervalMs, 0.75)
    await letPass(25_000)
    expectShare(usual / (await oneSlot(600)).intervalMs, 1)
    await letPass(100_000)
    expect(usual / (await oneSlot(600)).intervalMs).toBeCloseTo(1, 3)
  })

  it('slows down once for a burst of them: the many answers to it are one refusal', async () => {
    await learnRate(redis, engine.keys, 600, 20_000)
    await letPass(10_000)
    const slowedUs = await redis.hget(engine.keys.rate, 'slowed_us')
    await learnRate(redis, engine.keys, undefined, 1000)
    await letPass(2000)
    await learnRate(redis, engine.keys, undefined, 1000)
    expect(Number(await redis.hget(engine.keys.rate, 'slowed_us'))).toBe(Number(slowedUs) - 2_000_000)
  })

  it('slows down anew where one comes after the hold', async () => {
    await learnRate(redis, engine.keys, 600, 5000)
    await letPass(30_000)
    await learnRate(redis, engine.keys, undefined, 1000)
    await letPass(1000)
    const { intervalMs } = await oneSlot()
    expect(intervalMs).toBeGreaterThan(60_000 / (600 * share))
    expectShare(60_000 / (600 * share) / intervalMs, 0.5)
  })
})
