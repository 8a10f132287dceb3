import { applyControl } from '../../src/shared/batch/apply-control.ts'
import * as model from './batch-model.ts'
import { priceNano } from './engine.ts'
import type { LedgerEngine } from './ledger-engine.ts'
import { compareWithRedis } from './model-in-redis.ts'
import type { SeededRandom } from './seeded-random.ts'
import { answered, begin, failed, giveBack, inPhase, pay, settleStored } from './walk/attempts.ts'
import { accept, finishBatch, forget, seal } from './walk/batches.ts'
import { close, feed, feedLost, freeBudgets, say } from './walk/control.ts'
import { die, lapse, live, loseEverything } from './walk/losses.ts'
import {
  batchesAtOnce,
  closingOf,
  newWorld,
  nowMs,
  stemOf,
  underWay,
  type Attempt,
  type Ledger,
  type World,
} from './walk/world.ts'

/** What the walk does, and how often beside the others. */
export const steps = {
  feed: 6,
  claim: 14,
  grant: 12,
  answer: 8,
  fail: 5,
  'put back': 2,
  settle: 8,
  seal: 3,
  finish: 4,
  'say something': 4,
  close: 5,
  'free budgets': 3,
  'lapse or live': 3,
  'die and come back': 2,
  'feed what has no job': 3,
  'forget an ended batch': 1,
  'lose everything': 0.2,
}
export type Step = keyof typeof steps

export interface Walk {
  /** False where there was nobody to take the step. */
  take(step: Step): Promise<boolean>
  /** Redis holds what the model says, and what always holds, holds. */
  check(): Promise<void>
  /** Everybody lives, nothing more is said, and all that is begun comes to its end. */
  finish(): Promise<void>
  /** So much of everything happened. */
  readonly seen: Readonly<Record<string, number>>
}

export function newWalk(engine: LedgerEngine, random: SeededRandom): Walk {
  const world = newWorld(engine, random)
  const { expected, ledgers, running, outcomes, seen } = world
  const { redis, keys } = engine

  /** Takes a step, on whom chance chooses; false where there was nobody to take it. */
  async function take(step: Step): Promise<boolean> {
    const id = random.pick([...ledgers.keys()]) ?? ''
    const batch = expected.batches.get(id)
    const process = random.pick(world.processes) as string
    const act = async (
      does: (among: World, one: Attempt) => Promise<void>,
      ...phases: Attempt['phase'][]
    ): Promise<boolean> => {
      const one = random.pick(inPhase(world, ...phases))
      if (one !== undefined) await does(world, one)
      return one !== undefined
    }
    switch (step) {
      case 'feed':
        if (underWay(world).length < batchesAtOnce) await accept(world)
        return await feed(world, 1 + random.below(3))
      case 'claim':
        return await begin(world)
      case 'grant':
        return await act(pay, 'claimed')
      case 'answer':
        return await act(answered, 'calling')
      case 'fail':
        return await act(failed, 'calling', 'answered')
      case 'put back':
        return await act(giveBack, 'claimed', 'answered')
      case 'settle':
        return await act(settleStored, 'answered', 'stored')
      case 'seal':
        return await seal(world, id)
      case 'finish':
        return await finishBatch(world, id)
      case 'say something':
        return await say(world, id)
      case 'close':
        return await close(world, id)
      case 'free budgets':
        return await freeBudgets(world)
      case 'lapse or live':
        await (expected.alive.has(process) ? lapse(world, process) : live(world, process))
        return true
      case 'die and come back':
        return await die(world)
      case 'feed what has no job':
        return feedLost(world)
      case 'forget an ended batch':
        return batch?.status === 'ended' && (await forget(world, id))
      case 'lose everything':
        return await loseEverything(world)
    }
  }

  async function finish(): Promise<void> {
    for (const process of world.processes) await live(world, process)
    for (let turn = 0; turn < 200; turn += 1) {
      for (const id of underWay(world)) {
        const ledger = ledgers.get(id) as Ledger
        const enough = { paused_at_ms: null, budget_nano: 1000 * priceNano, version: ledger.control.version + 1 }
        ledger.control = { ...ledger.control, ...enough }
        const control = { paused: false, closing: closingOf(ledger.control), budgetNano: 1000 * priceNano }
        model.applyControl(expected, id, { ...control, version: enough.version })
        await applyControl(redis, keys, ledger.manifest, ledger.control, nowMs)
        await close(world, id)
        await finishBatch(world, id)
      }
      for (const one of running.slice()) {
        if (one.phase === 'claimed') await pay(world, one)
        else if (one.phase === 'calling') await answered(world, one)
        else await settleStored(world, one)
      }
      feedLost(world)
      for (let at = 0; at < 4; at += 1) await feed(world, 5)
      for (let at = 0; at < 8; at += 1) await begin(world)
      await check()
      if (underWay(world).length === 0 && running.length === 0) return
    }
    throw new Error(`these never end: ${JSON.stringify([...expected.batches])}`)
  }

  async function check(): Promise<void> {
    const manifests = [...ledgers.values()].map(({ manifest }) => manifest)
    const tenantByStem = new Map<string, string>()
    for (const manifest of manifests) {
      for (let index = 0; index < manifest.total; index += 1) tenantByStem.set(stemOf(manifest, index), manifest.tenant)
    }
    await compareWithRedis(engine, expected, { manifests, tenantByStem, outcomes })
  }

  return { take, check, finish, seen }
}
