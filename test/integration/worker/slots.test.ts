import { getEventListeners } from 'node:events'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { Priority } from '../../../src/shared/contract/priority.ts'
import { closeLane, openLane } from '../../../src/shared/lanes/lane.ts'
import type { Redis } from '../../../src/shared/redis/connect.ts'
import { newSlots, type Slot, type SlotParts, type Slots } from '../../../src/worker/slots.ts'
import { freshEngine, openRedis, type Engine } from '../../support/engine.ts'
import { eventually } from '../../support/eventually.ts'
import { fastClock } from '../../support/fast-clock.ts'

let redis: Redis
let engine: Engine
let errors: Error[]
beforeAll(() => {
  redis = openRedis()
})
afterAll(() => {
  redis.disconnect()
})
beforeEach(async () => {
  engine = await freshEngine(redis)
  errors = []
})

/** A rate at which the slots of a test come within some milliseconds. */
const plenty = 60_000

function open(more: Partial<SlotParts> = {}): Slots {
  return newSlots({
    redis,
    keys: engine.keys,
    clock: fastClock(20),
    placesMax: 100,
    ceiling: plenty,
    tryStorage: () => Promise.resolve(),
    onError: (error) => errors.push(error),
    ...more,
  })
}

const never = new AbortController().signal

/** Waits for a slot and notes who got it, in the order in which they went out. */
function queue(slots: Slots, order: Priority[], priority: Priority, count: number): Promise<Slot>[] {
  return Array.from({ length: count }, async () => {
    const slot = await slots.take(priority, never)
    order.push(priority)
    return slot
  })
}

/** How far the rate is given away already. */
async function bookedAheadMs(): Promise<number> {
  const nextUs = Number(await redis.hget(engine.keys.rate, 'next_us'))
  const [seconds, micros] = await redis.time()
  return (nextUs - Number(seconds) * 1e6 - Number(micros)) / 1000
}

describe('a slot', () => {
  it('goes to interactive items before all others, whoever asked first', async () => {
    const slots = open()
    const order: Priority[] = []
    await Promise.all([
      ...queue(slots, order, 'bulk', 3),
      ...queue(slots, order, 'standard', 3),
      ...queue(slots, order, 'interactive', 3),
    ])
    expect(order.slice(0, 3)).toEqual(['interactive', 'interactive', 'interactive'])
    expect(order.toSorted()).toEqual([
      ...Array<Priority>(3).fill('bulk'),
      ...order.slice(0, 3),
      ...Array<Priority>(3).fill('standard'),
    ])
  })

  it('goes to standard four times of five and to bulk once, where both wait', async () => {
    const slots = open()
    const order: Priority[] = []
    await Promise.all([...queue(slots, order, 'bulk', 10), ...queue(slots, order, 'standard', 40)])
    for (let five = 0; five < 50; five += 5) {
      expect(order.slice(five, five + 5).filter((priority) => priority === 'bulk')).toHaveLength(1)
    }
  })

  it('that an interactive item takes is no part of the others’ shares', async () => {
    const slots = open({ placesMax: 1 })
    const order: Priority[] = []
    const out: Slot[] = []
    const noteAll = (waiting: Promise<Slot>[]): void => {
      for (const slot of waiting) void slot.then((one) => out.push(one))
    }
    let held = await slots.take('interactive', never)
    noteAll([...queue(slots, order, 'bulk', 5), ...queue(slots, order, 'standard', 5)])
    for (let round = 0; round < 5; round += 1) {
      noteAll(queue(slots, order, 'interactive', 4))
      for (let at = 0; at < 5; at += 1) {
        held.release()
        held = await eventually(() => out.shift(), { what: 'the next slot' })
      }
    }
    expect(order.filter((priority) => priority === 'standard')).toHaveLength(4)
    expect(order.filter((priority) => priority === 'bulk')).toHaveLength(1)
  })

  it('passes on where its class does not wait', async () => {
    const slots = open()
    const order: Priority[] = []
    await Promise.all(queue(slots, order, 'bulk', 12))
    await Promise.all([...queue(slots, order, 'bulk', 6), ...queue(slots, order, 'standard', 2)])
    expect(order).toHaveLength(20)
    expect(order.slice(12).filter((priority) => priority === 'standard')).toHaveLength(2)
  })

  it('goes to who asked first within a class', async () => {
    const slots = open()
    const order: number[] = []
    const asked = Array.from({ length: 8 }, async (_, at) => {
      await slots.take('standard', never)
      order.push(at)
    })
    await Promise.all(asked)
    expect(order).toEqual([0, 1, 2, 3, 4, 5, 6, 7])
  })

  it('is bound late: an interactive item that comes while the next slot is waited for gets it', async () => {
    const slots = open({ ceiling: 60 })
    const order: Priority[] = []
    const [first, second] = queue(slots, order, 'bulk', 2)
    await first
    await eventually(async () => (await bookedAheadMs()) > 1500, { what: 'the booking of the next slot' })
    expect(order).toEqual(['bulk'])
    await Promise.all(queue(slots, order, 'interactive', 1))
    expect(order).toEqual(['bulk', 'interactive'])
    await second
  })
})

describe('places', () => {
  it('are never more in use than there are, and each goes to the next when it is released', async () => {
    const slots = open({ placesMax: 3 })
    const held: Slot[] = []
    let most = 0
    const all = Array.from({ length: 12 }, async () => {
      const slot = await slots.take('standard', never)
      most = Math.max(most, slots.inUse())
      held.push(slot)
    })
    for (let done = 0; done < 12; done += 1) {
      const slot = await eventually(() => held.shift(), { what: `slot ${String(done)}` })
      expect(slots.inUse()).toBeLessThanOrEqual(3)
      slot.release()
    }
    await Promise.all(all)
    expect(most).toBe(3)
    expect(slots.inUse()).toBe(0)
  })

  it('are freed once, however often they are released', async () => {
    const slots = open({ placesMax: 2 })
    const first = await slots.take('standard', never)
    await slots.take('standard', never)
    first.release()
    first.release()
    expect(slots.inUse()).toBe(1)
  })

  it('book no more of the rate than can be used', async () => {
    const slots = open({ placesMax: 2 })
    const waiting = queue(slots, [], 'standard', 10)
    await Promise.all(waiting.slice(0, 2))
    expect(await bookedAheadMs()).toBeLessThan(2.5)
    for (const slot of waiting) void slot.then((one) => one.release())
    await Promise.all(waiting)
  })
})

describe('whoever stops waiting', () => {
  it('is told why, and stands in nobody’s way', async () => {
    const slots = open({ placesMax: 1 })
    const holder = await slots.take('standard', never)
    const [gone, stays] = [new AbortController(), new AbortController()]
    const first = slots.take('interactive', gone.signal)
    const second = slots.take('interactive', stays.signal)
    gone.abort(new Error('the worker stops'))
    await expect(first).rejects.toThrow('the worker stops')
    holder.release()
    const slot = await second
    expect(slots.inUse()).toBe(1)
    stays.abort(new Error('too late to matter'))
    slot.release()
    expect(slots.inUse()).toBe(0)
  })

  it('does not begin to wait where it has stopped already', async () => {
    const slots = open()
    await expect(slots.take('standard', AbortSignal.abort(new Error('stopped before')))).rejects.toThrow(
      'stopped before',
    )
    expect(slots.inUse()).toBe(0)
    expect(await redis.exists(engine.keys.rate)).toBe(0)
  })

  it('or got its slot leaves nothing behind at a signal that lives as long as the worker', async () => {
    const slots = open()
    const long = new AbortController()
    for (let at = 0; at < 3; at += 1) await slots.take('standard', long.signal)
    expect(getEventListeners(long.signal, 'abort')).toEqual([])
  })

  it('all of them leave the loop idle, and it works for the next', async () => {
    const slots = open({ placesMax: 1 })
    const holder = await slots.take('standard', never)
    const gone = new AbortController()
    const waits = Array.from({ length: 3 }, () => slots.take('standard', gone.signal).catch(() => 'gone'))
    gone.abort(new Error('stop'))
    expect(await Promise.all(waits)).toEqual(['gone', 'gone', 'gone'])
    holder.release()
    const next = await slots.take('bulk', never)
    expect([next.probe, slots.inUse()]).toEqual([false, 1])
  })
})

describe('a closed lane', () => {
  async function probeIsDue(lane: 'provider' | 'storage'): Promise<void> {
    await redis.hset(engine.keys.lane(lane), 'next_probe_ms', 0)
  }

  it('of the provider lets one item try, and the others when it has opened', async () => {
    await closeLane(redis, engine.keys, 'provider', 'provider_down', 'down')
    await probeIsDue('provider')
    const slots = open()
    const got: Slot[] = []
    const all = Array.from({ length: 4 }, async () => got.push(await slots.take('standard', never)))
    await eventually(() => got.length === 1, { what: 'the probe' })
    expect(got[0]?.probe).toBe(true)
    await eventually(async () => Number(await redis.hget(engine.keys.lane('provider'), 'probe_delay_ms')) >= 2000, {
      what: 'the wait for the next try',
    })
    expect(got).toHaveLength(1)
    await openLane(redis, engine.keys, 'provider')
    await Promise.all(all)
    expect(got.map(({ probe }) => probe)).toEqual([true, false, false, false])
  })

  it('of the storage lets nobody call: the storage itself is tried', async () => {
    await closeLane(redis, engine.keys, 'storage', 'storage_down', 'down')
    await probeIsDue('storage')
    let tries = 0
    const slots = open({
      async tryStorage() {
        tries += 1
        await openLane(redis, engine.keys, 'storage')
      },
    })
    const slot = await slots.take('standard', never)
    expect([tries, slot.probe]).toEqual([1, false])
  })
})

describe('where Redis fails', () => {
  it('says so, and asks again', async () => {
    let failures = 2
    const shaky = new Proxy(redis, {
      get(target, name, receiver) {
        if (name !== 'evalsha' || failures === 0) return Reflect.get(target, name, receiver) as unknown
        return () => {
          failures -= 1
          return Promise.reject(new Error('Command timed out'))
        }
      },
    })
    const slots = open({ redis: shaky })
    const slot = await slots.take('standard', never)
    expect(slot.probe).toBe(false)
    expect(errors.map(({ message }) => message)).toEqual(['Command timed out', 'Command timed out'])
  })
})
