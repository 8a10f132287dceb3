import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { createBatch } from '../../../../src/shared/batch/create.ts'
import { dropEarlierRound } from '../../../../src/shared/batch/drop.ts'
import { nothingToBook, putBack } from '../../../../src/shared/batch/put-back.ts'
import type { Manifest } from '../../../../src/shared/ledger/manifest.ts'
import type { Redis } from '../../../../src/shared/redis/connect.ts'
import {
  claim,
  claimAndGrant,
  freshEngine,
  known,
  newBatch,
  newHold,
  openRedis,
  readState,
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

const drop = (manifest: Manifest, round: number): Promise<void> => dropEarlierRound(redis, engine.keys, manifest, round)
const keysOf = ({ batch }: Manifest): Promise<string[]> => redis.keys(`${engine.keys.prefix}:live:${batch}*`)

/** A batch of which Redis holds something under each of its keys. */
async function busyBatch(): Promise<Manifest> {
  const manifest = await newBatch(engine, 1002, { fed: 1002 })
  for (const index of [0, 500, 1001]) await settle(engine, manifest, newHold(manifest, index), 'reused')
  const tried = newHold(manifest, 1)
  await claimAndGrant(engine, tried)
  const entry = { at: 1, class: 'transient', status: 500, duration_ms: 5 }
  await putBack(redis, engine.keys, tried, { ...nothingToBook, calls: 1 }, false, entry)
  await claim(engine, newHold(manifest, 2))
  expect(await keysOf(manifest)).toHaveLength(10)
  return manifest
}

describe('dropEarlierRound', () => {
  it('leaves nothing of a batch that stands in an earlier round: no key, no turn, no outcome on the scales', async () => {
    const manifest = await busyBatch()
    await drop(manifest, 2)
    expect(await keysOf(manifest)).toEqual([])
    const { batches, feedBatches, feedTenants, unwritten } = engine.keys
    expect(await redis.exists(batches, feedBatches('standard', 'default'), feedTenants('standard'))).toBe(0)
    expect(await redis.get(unwritten)).toBe('0')
    await drop(manifest, 2)
    expect(await redis.get(unwritten)).toBe('0')
  })

  it('leaves a batch of this round or a later one as it is', async () => {
    const manifest = await busyBatch()
    const [state, unwritten] = [await readState(engine, manifest.batch), await redis.get(engine.keys.unwritten)]
    await drop(manifest, 1)
    expect(await readState(engine, manifest.batch)).toEqual(state)
    expect(await redis.get(engine.keys.unwritten)).toBe(unwritten)
    expect(await keysOf(manifest)).toHaveLength(10)
  })

  it('lets go of nothing that the next round has settled, where somebody else has brought that one back already', async () => {
    const manifest = await newBatch(engine, 2, { fed: 2 })
    for (const index of [0, 1]) await settle(engine, manifest, newHold(manifest, index), 'reused')
    // Between the reads of one drop another one does all of it, and an item of the next round is settled.
    const slow = new Proxy(redis, {
      get(target, name, receiver) {
        if (name !== 'zrange') return Reflect.get(target, name, receiver) as unknown
        return async (key: string, from: string, to: string): Promise<string[]> => {
          const chunks = await target.zrange(key, from, to)
          await drop(manifest, 2)
          await createBatch(redis, engine.keys, manifest, known(new Map(), { round: 2 }))
          await settle(engine, manifest, newHold(manifest, 1, { round: 2 }), 'reused')
          return chunks
        }
      },
    })
    await dropEarlierRound(slow, engine.keys, manifest, 2)
    expect((await readState(engine, manifest.batch)).live).toMatchObject({ round: 2, reused: 1 })
    expect(await redis.hkeys(engine.keys.batch(manifest.batch).outcomes(0))).toEqual(['1'])
    expect(Number(await redis.get(engine.keys.unwritten))).toBeGreaterThan(0)
  })

  it('makes nothing of a batch that Redis does not have', async () => {
    const manifest = await newBatch(engine, 1)
    await redis.del(engine.keys.batch(manifest.batch).live)
    await drop(manifest, 9)
    expect(await redis.exists(engine.keys.batch(manifest.batch).live)).toBe(0)
  })
})
