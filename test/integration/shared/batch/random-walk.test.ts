import { afterAll, beforeAll, expect, it, onTestFailed } from 'vitest'
import type { Store } from '../../../../src/shared/ledger/store.ts'
import type { Redis } from '../../../../src/shared/redis/connect.ts'
import { openRedis } from '../../../support/engine.ts'
import { freshNames } from '../../../support/fresh-names.ts'
import { freshLedgerEngine } from '../../../support/ledger-engine.ts'
import { newWalk, steps, type Step } from '../../../support/random-walk.ts'
import { seededRandom } from '../../../support/seeded-random.ts'
import { openTestStore } from '../../../support/test-store.ts'

/** The same walk again: CRATEWORK_TEST_SEED=<seed>. A longer one: CRATEWORK_TEST_STEPS=<steps>. */
const seed = Number(process.env.CRATEWORK_TEST_SEED ?? Math.floor(Math.random() * 2 ** 32))
const stepCount = Number(process.env.CRATEWORK_TEST_STEPS ?? 1500)

let redis: Redis
let store: Store
beforeAll(async () => {
  redis = openRedis()
  store = openTestStore((await freshNames(import.meta.filename)).bucket)
})
afterAll(() => {
  redis.disconnect()
  store.close()
})

it('a random walk over the batch scripts leaves Redis at every step as the model of a batch says', async () => {
  const random = seededRandom(seed)
  const walk = newWalk(await freshLedgerEngine(redis, store), random)
  const taken: Step[] = []
  onTestFailed(() => {
    const last = taken.slice(-12).join(', ')
    process.stderr.write(`CRATEWORK_TEST_SEED=${String(seed)} fails at step ${String(taken.length)}: ..., ${last}\n`)
  })
  const weighted = Object.entries(steps) as [Step, number][]
  const sum = weighted.reduce((all, [, weight]) => all + weight, 0)
  while (taken.length < stepCount) {
    let left = random.number() * sum
    const step = weighted.find(([, weight]) => (left -= weight) < 0)?.[0] ?? 'feed'
    taken.push(step)
    if (await walk.take(step)) await walk.check()
    else taken.pop()
  }
  await walk.finish()
  // It has been about: else it proves little.
  for (const what of ['claim: claimed', 'claim: held', 'claim: paused', 'grant: granted', 'ended completed']) {
    expect([what, walk.seen[what] ?? 0]).toEqual([what, expect.toSatisfy((count: number) => count > 0)])
  }
}, 120_000)
