import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { applyControl } from '../../../../src/shared/batch/apply-control.ts'
import { claimItem } from '../../../../src/shared/batch/claim.ts'
import { nothingToBook, putBack } from '../../../../src/shared/batch/put-back.ts'
import { recordAnswer } from '../../../../src/shared/batch/record-answer.ts'
import { handBack } from '../../../../src/shared/batch/hand-back.ts'
import type { Hold } from '../../../../src/shared/batch/hold.ts'
import { firstControl, type Control } from '../../../../src/shared/ledger/control.ts'
import type { Manifest } from '../../../../src/shared/ledger/manifest.ts'
import type { Redis } from '../../../../src/shared/redis/connect.ts'
import {
  beat,
  claim,
  claimAndGrant,
  freshEngine,
  grant,
  newBatch,
  newHold,
  openRedis,
  priceNano,
  readFence,
  readState,
  runId,
  settle,
} from '../../../support/engine.ts'
import type { Engine } from '../../../support/engine.ts'

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

const untried = { calls: 0, unknown: 0, bad: 0, costNano: 0, suspected: 0 }
const spentOnce = { ...untried, calls: 1, unknown: 1, costNano: priceNano }
const stem = 'shared/shoe'
const url = 'https://cdn.example/shoe.png'

async function paid(manifest: Manifest, process: string): Promise<Hold> {
  const holder = newHold(manifest, 0, { process, stem })
  await claimAndGrant(engine, holder)
  await recordAnswer(redis, engine.keys, holder, url)
  return holder
}

async function paidAndPutBack(manifest: Manifest): Promise<void> {
  await putBack(redis, engine.keys, await paid(manifest, 'process-1'), nothingToBook, true)
}

async function say(manifest: Manifest, what: Partial<Control>): Promise<void> {
  await applyControl(redis, engine.keys, manifest, { ...firstControl, version: 1, ...what }, 1)
}

describe('claimItem', () => {
  it('takes a free key, says that nothing was spent, and writes who holds it for what', async () => {
    const manifest = await newBatch(engine, 2, { fed: 2 })
    const before = await readState(engine, manifest.batch)
    const hold = newHold(manifest, 1)
    expect(await claim(engine, hold)).toEqual({ kind: 'claimed', tries: untried, url: undefined, closing: undefined })
    const { process, attempt, batch } = hold
    expect(await readFence(engine, hold)).toEqual({ process, attempt, batch, index: '1', round: '1' })
    const ttlMs = await redis.pttl(engine.keys.fence(hold.tenant, hold.stem))
    expect(ttlMs).toBeGreaterThan(23 * 3600_000)
    expect(await readState(engine, batch)).toEqual(before)
  })

  it('bears being called again by the same attempt', async () => {
    const manifest = await newBatch(engine, 1, { fed: 1 })
    const hold = newHold(manifest, 0)
    const first = await claim(engine, hold)
    const fence = await readFence(engine, hold)
    const state = await readState(engine, manifest.batch)
    expect(await claim(engine, hold)).toEqual(first)
    expect(await readFence(engine, hold)).toEqual(fence)
    expect(await readState(engine, manifest.batch)).toEqual(state)
  })

  it('gives a key to one of many who ask at once', async () => {
    const manifest = await newBatch(engine, 1, { fed: 1 })
    const holds = Array.from({ length: 8 }, (_, at) => newHold(manifest, 0, { process: `process-${String(at)}` }))
    for (const { process } of holds) await beat(engine, process)
    const claims = await Promise.all(holds.map((hold) => claim(engine, hold)))
    expect(claims.filter(({ kind }) => kind === 'claimed')).toHaveLength(1)
    expect(claims.filter(({ kind }) => kind === 'held')).toHaveLength(7)
  })

  it('is refused while another process holds the key and its heartbeat lives, and changes nothing', async () => {
    const manifest = await newBatch(engine, 1, { fed: 1 })
    const holder = newHold(manifest, 0, { process: 'other' })
    await beat(engine, 'other')
    await claimAndGrant(engine, holder)
    const [fence, state] = [await readFence(engine, holder), await readState(engine, manifest.batch)]
    expect(await claim(engine, newHold(manifest, 0))).toEqual({ kind: 'held' })
    expect(await readFence(engine, holder)).toEqual(fence)
    expect(await readState(engine, manifest.batch)).toEqual(state)
  })

  it('books what a dead process was calling as spent and of unknown outcome, once', async () => {
    const manifest = await newBatch(engine, 1, { fed: 1 })
    await beat(engine, 'other', -1)
    await claimAndGrant(engine, newHold(manifest, 0, { process: 'other' }))
    const hold = newHold(manifest, 0)
    expect(await claim(engine, hold)).toEqual({ kind: 'claimed', tries: spentOnce, url: undefined, closing: undefined })
    const { live, states, tries } = await readState(engine, manifest.batch)
    expect(live).toMatchObject({ calls: 1, indeterminate: 1, cost_nano: priceNano })
    expect(states).toEqual(['fed'])
    expect(tries).toEqual({ 0: `1:1:0:${String(priceNano)}:0:0` })

    expect(await claim(engine, hold)).toMatchObject({ kind: 'claimed', tries: spentOnce })
    const next = newHold(manifest, 0, { process: 'third' })
    expect(await claim(engine, next)).toMatchObject({ kind: 'claimed', tries: spentOnce })
    expect((await readState(engine, manifest.batch)).live).toMatchObject({ calls: 1, indeterminate: 1 })
  })

  it('takes a process that never had a heartbeat for dead', async () => {
    const manifest = await newBatch(engine, 1, { fed: 1 })
    await claimAndGrant(engine, newHold(manifest, 0, { process: 'other' }))
    expect(await claim(engine, newHold(manifest, 0))).toMatchObject({ kind: 'claimed', tries: spentOnce })
  })

  it('books nothing where the dead process was not calling', async () => {
    const manifest = await newBatch(engine, 1, { fed: 1 })
    expect(await claim(engine, newHold(manifest, 0, { process: 'other' }))).toMatchObject({ kind: 'claimed' })
    expect(await claim(engine, newHold(manifest, 0))).toMatchObject({ kind: 'claimed', tries: untried })
    expect((await readState(engine, manifest.batch)).live).toMatchObject({ calls: 0, indeterminate: 0 })
  })

  it('finds the URL of an answer that a dead process had, and its call booked as answered', async () => {
    const manifest = await newBatch(engine, 1, { fed: 1 })
    const dead = newHold(manifest, 0, { process: 'other' })
    await claimAndGrant(engine, dead)
    await recordAnswer(redis, engine.keys, dead, 'https://cdn.example/shoe.png')
    expect(await claim(engine, newHold(manifest, 0))).toEqual({
      kind: 'claimed',
      tries: { ...untried, calls: 1, costNano: priceNano },
      url: 'https://cdn.example/shoe.png',
      closing: undefined,
    })
    expect((await readState(engine, manifest.batch)).live).toMatchObject({ calls: 1, indeterminate: 0 })
  })

  it('is refused by an attempt of its own process that still runs, and takes over one that does not', async () => {
    const manifest = await newBatch(engine, 1, { fed: 1 })
    const running = newHold(manifest, 0)
    await beat(engine, running.process)
    await claimAndGrant(engine, running)
    const hold = newHold(manifest, 0)
    const asked: string[] = []
    const stillRuns = (attempt: string): boolean => {
      asked.push(attempt)
      return true
    }
    expect(await claim(engine, hold, stillRuns)).toEqual({ kind: 'held' })
    expect(asked).toEqual([running.attempt])
    expect(await claim(engine, hold, () => false)).toEqual({
      kind: 'claimed',
      tries: spentOnce,
      url: undefined,
      closing: undefined,
    })
  })

  it('does not take an attempt of its own process for dead because its heartbeat is late', async () => {
    const manifest = await newBatch(engine, 1, { fed: 1 })
    const running = newHold(manifest, 0)
    await claimAndGrant(engine, running)
    expect(await claim(engine, newHold(manifest, 0), () => true)).toEqual({ kind: 'held' })
    expect((await readState(engine, manifest.batch)).live.calls).toBe(0)
  })

  it('is refused by a living attempt for an item of another batch with the same key', async () => {
    const one = await newBatch(engine, 1, { fed: 1 })
    const two = await newBatch(engine, 1, { fed: 1 })
    await beat(engine, 'other')
    await claimAndGrant(engine, newHold(one, 0, { process: 'other', stem }))
    expect(await claim(engine, newHold(two, 0, { stem }))).toEqual({ kind: 'held' })
  })

  it.each([
    ['another process that died', 'other'],
    ['its own process', 'process-1'],
  ])('books a dead attempt of %s on the item that it was for, in its own batch', async (_, process) => {
    const one = await newBatch(engine, 3, { fed: 3 })
    const two = await newBatch(engine, 1, { fed: 1 })
    if (process === 'process-1') await beat(engine, process)
    await claimAndGrant(engine, newHold(one, 2, { process, stem }))
    expect((await readState(engine, one.batch)).states[2]).toBe('in_progress')

    const hold = newHold(two, 0, { stem })
    expect(await claim(engine, hold)).toEqual({ kind: 'claimed', tries: untried, url: undefined, closing: undefined })
    const first = await readState(engine, one.batch)
    expect(first.live).toMatchObject({ calls: 1, indeterminate: 1, cost_nano: priceNano })
    expect(first.states).toEqual(['fed', 'fed', 'fed'])
    expect(first.tries).toEqual({ 2: `1:1:0:${String(priceNano)}:0:0` })
    expect((await readState(engine, two.batch)).live).toMatchObject({ calls: 0, indeterminate: 0, cost_nano: 0 })
    expect(await readFence(engine, hold)).toMatchObject({ batch: two.batch, attempt: hold.attempt })
  })

  it('takes the key over from a dead attempt for a batch that Redis does not have any more', async () => {
    const one = await newBatch(engine, 1, { fed: 1 })
    const two = await newBatch(engine, 1, { fed: 1 })
    await claimAndGrant(engine, newHold(one, 0, { process: 'other', stem }))
    const gone = engine.keys.batch(one.batch)
    await redis.del(gone.live, gone.states)
    expect(await claim(engine, newHold(two, 0, { stem }))).toMatchObject({ kind: 'claimed', tries: untried })
    expect(await redis.exists(gone.live, gone.states, gone.tries)).toBe(0)
  })

  it('books on nobody but whom it found, where the key changes hands while it is being freed', async () => {
    const one = await newBatch(engine, 1, { fed: 1 })
    const two = await newBatch(engine, 1, { fed: 1 })
    const three = await newBatch(engine, 1, { fed: 1 })
    await claimAndGrant(engine, newHold(one, 0, { process: 'other', stem }))
    // As soon as the claim has heard of the first batch's item, a dead attempt of the third holds the key.
    const slow = new Proxy(redis, {
      get(target, name, receiver) {
        if (name !== 'evalsha') return Reflect.get(target, name, receiver) as unknown
        return async (...call: Parameters<Redis['evalsha']>): Promise<unknown> => {
          const answer = await target.evalsha(...call)
          if (Array.isArray(answer) && answer[0] === 'foreign' && answer[1] === one.batch) {
            await redis.del(engine.keys.fence('default', stem))
            await claimAndGrant(engine, newHold(three, 0, { process: 'other', stem }))
          }
          return answer
        }
      },
    })
    const taken = await claimItem(slow, engine.keys, runId, newHold(two, 0, { stem }), () => false)
    expect(taken).toMatchObject({ kind: 'claimed', tries: untried })
    expect((await readState(engine, one.batch)).live).toMatchObject({ calls: 0, in_progress: 1 })
    expect((await readState(engine, three.batch)).live).toMatchObject({ calls: 1, indeterminate: 1, fed: 1 })
  })

  it('takes a key that was put back with the URL of an answer, for the item that was paid', async () => {
    const one = await newBatch(engine, 1, { fed: 1 })
    await paidAndPutBack(one)
    const same = newHold(one, 0, { stem })
    expect(await claim(engine, same)).toMatchObject({ kind: 'claimed', url })
    expect(await readFence(engine, same)).toMatchObject({ url })
  })

  it.each([
    ['was put back', false],
    ['is in the hands of a dead attempt', true],
  ])('is refused to another item while an answer that is paid and to be fetched %s', async (_, dies) => {
    const [one, two] = [await newBatch(engine, 1, { fed: 1 }), await newBatch(engine, 1, { fed: 1 })]
    if (dies) await paid(one, 'dead')
    else await paidAndPutBack(one)
    const other = newHold(two, 0, { stem })
    expect(await claim(engine, other)).toEqual({ kind: 'held' })
    expect(await claim(engine, other)).toEqual({ kind: 'held' })
    const comesAgain = newHold(one, 0, { stem })
    expect(await claim(engine, comesAgain)).toMatchObject({ kind: 'claimed', url, tries: { calls: 1 } })
    await settle(engine, one, comesAgain, 'succeeded', { ownObjectCostNano: priceNano })
    expect(await claim(engine, other)).toMatchObject({ kind: 'claimed', url: undefined })
  })

  it.each(['settled', 'handed back to the feed', 'of another round', 'gone with its batch'])(
    'takes a key with an answer that nobody comes for: its item is %s',
    async (what) => {
      const [one, two] = [await newBatch(engine, 1, { fed: 1 }), await newBatch(engine, 1, { fed: 1 })]
      await paidAndPutBack(one)
      const { live } = engine.keys.batch(one.batch)
      if (what === 'settled') await settle(engine, one, newHold(one, 0, { process: 'zombie' }), 'succeeded')
      else if (what === 'of another round') await redis.hset(live, 'round', 2)
      else if (what === 'gone with its batch') await redis.del(live)
      else await handBack(redis, engine.keys, newHold(one, 0, { stem }), { claimed: false, nowMs: 1 })
      const other = newHold(two, 0, { stem })
      expect(await claim(engine, other)).toMatchObject({ kind: 'claimed', url: undefined })
      expect(await readFence(engine, other)).not.toHaveProperty('url')
    },
  )

  it('gives back what was spent on the item, by what it came to', async () => {
    const manifest = await newBatch(engine, 1, { fed: 1 })
    const booking = { calls: 2, unknown: 1, bad: 1, costNano: 5, suspected: 3 }
    const hold = newHold(manifest, 0)
    await claim(engine, hold)
    await putBack(redis, engine.keys, hold, booking, false)
    expect(await claim(engine, newHold(manifest, 0))).toMatchObject({ tries: booking })
  })

  it('leaves an item open that is not marked as fed yet: its feed will', async () => {
    const manifest = await newBatch(engine, 1)
    expect(await claim(engine, newHold(manifest, 0))).toMatchObject({ kind: 'claimed' })
    expect((await readState(engine, manifest.batch)).states).toEqual(['open'])
  })

  it('counts an item as queued again whose call is over, as far as anybody knows', async () => {
    const manifest = await newBatch(engine, 1, { fed: 1 })
    await claimAndGrant(engine, newHold(manifest, 0, { process: 'other' }))
    await redis.del(engine.keys.fence('default', newHold(manifest, 0).stem))
    expect(await claim(engine, newHold(manifest, 0))).toMatchObject({ kind: 'claimed', tries: untried })
    expect((await readState(engine, manifest.batch)).states).toEqual(['fed'])
  })

  it('is refused, and leaves no fence, where the item has its outcome, or another round runs', async () => {
    const manifest = await newBatch(engine, 2, { fed: 2 })
    const done = newHold(manifest, 0)
    await claim(engine, done)
    await settle(engine, manifest, done, 'failed')
    const later: Hold = newHold(manifest, 1, { round: 2 })
    expect(await claim(engine, newHold(manifest, 0))).toEqual({ kind: 'settled' })
    expect(await claim(engine, later)).toEqual({ kind: 'settled' })
    expect(await readFence(engine, done)).toEqual({})
    expect(await readFence(engine, later)).toEqual({})
  })

  it('is refused while the batch is paused, and changes nothing; a dead attempt is booked when it goes on', async () => {
    const manifest = await newBatch(engine, 1, { fed: 1 })
    await claimAndGrant(engine, newHold(manifest, 0, { process: 'other' }))
    await say(manifest, { paused_at_ms: 7 })
    const hold = newHold(manifest, 0)
    const [fence, state] = [await readFence(engine, hold), await readState(engine, manifest.batch)]
    expect(await claim(engine, hold)).toEqual({ kind: 'paused' })
    expect([await readFence(engine, hold), await readState(engine, manifest.batch)]).toEqual([fence, state])
  })

  it('is refused while the batch is over its budget, but where an attempt died: what that one spent is booked', async () => {
    const manifest = await newBatch(engine, 2, { fed: 2 })
    await claimAndGrant(engine, newHold(manifest, 1, { process: 'other' }))
    await redis.hset(engine.keys.batch(manifest.batch).live, 'over_budget', priceNano)
    expect(await claim(engine, newHold(manifest, 0))).toEqual({ kind: 'paused' })
    expect(await claim(engine, newHold(manifest, 1))).toMatchObject({ kind: 'claimed', tries: spentOnce })
  })

  it('finds an answer that is paid and not fetched also while the batch is paused or over its budget', async () => {
    const manifest = await newBatch(engine, 1, { fed: 1 })
    const holder = newHold(manifest, 0, { process: 'other' })
    await claimAndGrant(engine, holder)
    await recordAnswer(redis, engine.keys, holder, 'https://cdn.example/shoe.png')
    await say(manifest, { paused_at_ms: 7 })
    await redis.hset(engine.keys.batch(manifest.batch).live, 'over_budget', priceNano)
    expect(await claim(engine, newHold(manifest, 0))).toMatchObject({ kind: 'claimed', url })
  })

  it('takes an item of a batch that closes, paused or not, and says how it closes', async () => {
    for (const [what, closing] of [
      [{ cancelled_at_ms: 7, paused_at_ms: 5 }, 'cancelled'],
      [{ expired_at_ms: 7 }, 'expired'],
    ] as const) {
      const manifest = await newBatch(engine, 1, { fed: 1 })
      await say(manifest, what)
      const hold = newHold(manifest, 0)
      expect(await claim(engine, hold)).toMatchObject({ kind: 'claimed', closing })
      expect(await grant(engine, hold)).toBe('closing')
    }
  })

  it('is noted among the claimed of its batch, until the key is free again', async () => {
    const manifest = await newBatch(engine, 2, { fed: 2 })
    const { claimed } = engine.keys.batch(manifest.batch)
    const [back, done] = [newHold(manifest, 0), newHold(manifest, 1)]
    await claim(engine, back)
    await claim(engine, done)
    expect((await redis.smembers(claimed)).toSorted()).toEqual(['0', '1'])
    await putBack(redis, engine.keys, back, nothingToBook, false)
    await settle(engine, manifest, done, 'failed')
    expect(await redis.exists(claimed)).toBe(0)
  })

  it('is refused, and makes nothing, where Redis does not have the batch', async () => {
    const manifest = await newBatch(engine, 1, { fed: 1 })
    const { live, states } = engine.keys.batch(manifest.batch)
    await redis.del(live, states)
    const hold = newHold(manifest, 0)
    expect(await claim(engine, hold)).toEqual({ kind: 'no_batch' })
    expect(await redis.exists(live, states, engine.keys.fence(hold.tenant, hold.stem))).toBe(0)
  })

  it('waits where this Redis was not held against the ledger, and while the living may speak first', async () => {
    const manifest = await newBatch(engine, 1, { fed: 1 })
    const hold = newHold(manifest, 0)
    const elsewhere = await claimItem(redis, engine.keys, 'another-run', hold, () => false)
    expect(elsewhere).toEqual({ kind: 'wait', waitMs: 1000 })
    const [seconds] = await redis.time()
    await redis.hset(engine.keys.epoch, 'quiet_until_ms', Number(seconds) * 1000 + 5000)
    const quiet = await claim(engine, hold)
    expect(quiet.kind === 'wait' && quiet.waitMs > 3000 && quiet.waitMs <= 5000).toBe(true)
    await redis.del(engine.keys.epoch)
    expect(await claim(engine, hold)).toEqual({ kind: 'wait', waitMs: 1000 })
    expect(await readFence(engine, hold)).toEqual({})
  })
})
