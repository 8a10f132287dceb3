import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { endBatch } from '../../../../src/shared/batch/end.ts'
import type { Redis } from '../../../../src/shared/redis/connect.ts'
import { freshEngine, newBatch, openRedis, priceNano, readEvents, readState } from '../../../support/engine.ts'
import { itemsEach, newWorld, steps } from '../../../support/engine-world.ts'

let redis: Redis
beforeAll(() => {
  redis = openRedis()
})
afterAll(() => {
  redis.disconnect()
})

describe('the scripts, in any order', () => {
  it('keep counts, books and outcomes right, whoever lives or is taken for dead', async () => {
    const often = Object.entries(steps) as [keyof typeof steps, number][]
    const step = fc.oneof(...often.map(([name, weight]) => ({ weight, arbitrary: fc.constant(name) })))
    const anySteps = fc.array(fc.tuple(step, fc.nat(23)), { minLength: 40, maxLength: 80, size: 'max' })
    await fc.assert(
      fc.asyncProperty(anySteps, async (taken) => {
        const engine = await freshEngine(redis)
        const manifests = [await newBatch(engine, itemsEach), await newBatch(engine, itemsEach)]
        const world = newWorld(engine, manifests)
        for (const at of [0, 1, 2]) await world.take(['revive', at])
        for (const one of taken) {
          await world.take(one)
          await world.check()
        }
        await world.finish()
        await world.check()
        for (const [at, { batch, attempt }] of manifests.entries()) {
          const { live } = await readState(engine, batch)
          expect(live.status).toBe('finalizing')
          // Every call that was sent is counted, and every one that may have been charged has its price.
          expect(live.calls).toBe(world.sent(batch))
          expect(live.cost_nano).toBe(priceNano * (world.sent(batch) - world.free(batch)))
          await world.take(['seal', at])
          const end = { batch, round: 1, attempt, eventType: 'batch.completed', nowMs: 1 }
          expect(await endBatch(redis, engine.keys, end)).toBe('ended')
        }
        expect((await readEvents(engine)).map(({ type }) => type)).toEqual([
          'batch.in_progress',
          'batch.in_progress',
          'batch.completed',
          'batch.completed',
        ])
      }),
      { numRuns: 40 },
    )
  })
})
