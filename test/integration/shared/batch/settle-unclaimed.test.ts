import { afterAll, beforeAll, expect, it } from 'vitest'
import { parseOutcome } from '../../../../src/shared/batch/outcome.ts'
import type { Redis } from '../../../../src/shared/redis/connect.ts'
import { claimAndGrant, freshEngine, newBatch, newHold, openRedis, readState, settle } from '../../../support/engine.ts'

let redis: Redis
beforeAll(() => {
  redis = openRedis()
})
afterAll(() => {
  redis.disconnect()
})

it('what was wrong at intake fails without a fence, once, and nothing else does', async () => {
  const engine = await freshEngine(redis)
  const manifest = await newBatch(engine, 2)
  const { batch } = manifest
  const nobody = newHold(manifest, 0, { process: '', attempt: '', stem: 'item' })
  expect(await settle(engine, manifest, nobody, 'failed')).toEqual({ kind: 'stale' })
  expect(await settle(engine, manifest, nobody, 'failed', { unclaimed: true })).toMatchObject({
    kind: 'settled',
    batchDone: false,
  })
  expect(await settle(engine, manifest, nobody, 'failed', { unclaimed: true })).toEqual({ kind: 'already' })
  const { live, states } = await readState(engine, batch)
  expect(states).toEqual(['failed', 'open'])
  expect(live).toMatchObject({ failed: 1, open: 1, calls: 0, cost_nano: 0 })
  const line = await redis.hget(engine.keys.batch(batch).outcomes(0), '0')
  expect(parseOutcome(line ?? '')).toMatchObject({ status: 'failed', attempts: 0, cost_usd: '0.00', attempt_log: [] })

  const hold = newHold(manifest, 1)
  await claimAndGrant(engine, hold)
  expect(await settle(engine, manifest, { ...hold, attempt: 'other' }, 'failed')).toEqual({ kind: 'stale' })
})
