import { expect } from 'vitest'
import { handBack } from '../../../src/shared/batch/hand-back.ts'
import type { Hold } from '../../../src/shared/batch/hold.ts'
import { nothingToBook, putBack } from '../../../src/shared/batch/put-back.ts'
import { recordAnswer } from '../../../src/shared/batch/record-answer.ts'
import type { ItemOutcome } from '../../../src/shared/contract/result.ts'
import type { ModelBatch } from '../batch-model.ts'
import { claim, grant, newHold, priceNano, settle } from '../engine.ts'
import * as model from '../fence-model.ts'
import { end, itemOf, jobDone, note, nowMs, runs, stemOf, type Attempt, type Ledger, type World } from './world.ts'

/** What an attempt does, from its claim to its end: each step is taken in Redis and in the model, and answered alike. */

const url = 'https://cdn.example/shoe.png'

export async function begin(world: World): Promise<boolean> {
  const { expected, ledgers, running, jobs, objects, random, engine } = world
  // One that nobody is at, as far as anybody knows; now and then one that seemed to have stalled.
  const busy = running.flatMap(({ hold }) => (expected.alive.has(hold.process) ? [hold.attempt] : []))
  const free = [...jobs].flatMap(([job, attempt]) => (busy.includes(attempt) ? [] : [job]))
  const job = random.pick(random.chance(0.1) ? [...jobs.keys()] : free)
  if (job === undefined) return false
  const [id = '', at = '', round = ''] = job.split(' ')
  const index = Number(at)
  const { manifest } = ledgers.get(id) as Ledger
  const process = random.pick(world.processes) as string
  const hold = newHold(manifest, index, { process, round: Number(round), stem: stemOf(manifest, index) })
  const isRunning = (attempt: string): boolean => runs(world, attempt)
  const answer = model.claim(expected, hold, isRunning)
  const claimed = await claim(engine, hold, isRunning)
  expect(claimed.kind).toBe(answer.kind)
  note(world, `claim: ${claimed.kind}`)
  jobs.set(job, hold.attempt)
  if (claimed.kind === 'settled') jobDone(world, hold)
  if (claimed.kind === 'paused') await giveToFeed(world, hold, { claimed: false })
  if (claimed.kind !== 'claimed' || answer.kind !== 'claimed') return true
  const { answered: _, ...tries } = answer.tries
  const { closing } = expected.batches.get(id) as ModelBatch
  expect(claimed).toEqual({ kind: 'claimed', tries, url: answer.url, closing })
  const lapsed = !expected.alive.has(process)
  const one: Attempt = { hold, manifest, phase: 'claimed', url: answer.url, costNano: tries.costNano, lapsed }
  running.push(one)
  if (objects.has(hold.stem)) one.phase = 'stored'
  else if (one.url !== undefined) one.phase = 'answered'
  else if (closing !== undefined) await settleAs(world, one, closing)
  else if (tries.calls >= 4) await settleAs(world, one, 'failed')
  return true
}

async function giveToFeed(world: World, hold: Hold, why: { claimed: boolean; overBudgetNano?: number }): Promise<void> {
  const { expected } = world
  const { redis, keys } = world.engine
  const answer = model.handBack(expected, hold, why)
  expect(await handBack(redis, keys, hold, { ...why, nowMs })).toBe(answer)
  jobDone(world, hold)
}

export async function pay(world: World, one: Attempt): Promise<void> {
  const { expected, engine } = world
  const answer = model.grant(expected, one.hold, priceNano)
  expect(await grant(engine, one.hold)).toBe(answer)
  note(world, `grant: ${answer}`)
  if (answer === 'granted') {
    // Nobody is granted a call while another one's can still be alive, for all that anybody knows.
    expect(inPhase(world, 'calling').filter((other) => other.hold.stem === one.hold.stem && !other.lapsed)).toEqual([])
    one.phase = 'calling'
    return
  }
  end(world, one)
  if (answer === 'paused') await giveToFeed(world, one.hold, { claimed: true })
  if (answer === 'over_budget') await giveToFeed(world, one.hold, { claimed: true, overBudgetNano: priceNano })
}

export async function answered(world: World, one: Attempt): Promise<void> {
  const { expected, random } = world
  const { redis, keys } = world.engine
  const withUrl = random.chance(0.5) ? url : undefined
  const answer = model.recordAnswer(expected, one.hold, withUrl)
  expect(await recordAnswer(redis, keys, one.hold, withUrl)).toBe(answer)
  Object.assign(one, { url: withUrl, costNano: one.costNano + priceNano, phase: 'answered' })
  if (random.chance(0.6)) store(world, one)
}

/** The upload's condition: what another item has put there meanwhile stays. */
function store(world: World, one: Attempt): void {
  const { objects } = world
  if (!objects.has(one.hold.stem)) objects.set(one.hold.stem, { item: itemOf(one.hold), costNano: one.costNano })
  one.phase = 'stored'
}

export async function failed(world: World, one: Attempt): Promise<void> {
  const { random } = world
  const bad = { ...nothingToBook, bad: 1 }
  const kinds = [
    { ...nothingToBook, calls: 1 },
    { ...nothingToBook, calls: 1, unknown: 1, costNano: priceNano },
    { ...nothingToBook, suspected: 1 },
  ]
  const booking = one.phase === 'answered' ? bad : (random.pick(kinds) ?? nothingToBook)
  if (random.chance(0.3)) await settleAs(world, one, 'failed', booking)
  else await giveBack(world, one, booking, false)
}

export async function giveBack(world: World, one: Attempt, booking = nothingToBook, keepUrl = true): Promise<void> {
  const { expected } = world
  const { redis, keys } = world.engine
  model.putBack(expected, one.hold, booking, keepUrl)
  await putBack(redis, keys, one.hold, booking, keepUrl)
  end(world, one)
}

async function settleAs(world: World, one: Attempt, status: ItemOutcome, booking = nothingToBook): Promise<void> {
  const { expected, objects, engine } = world
  const object = objects.get(one.hold.stem)
  const own = status === 'succeeded' && object?.item === itemOf(one.hold)
  const ownObjectCostNano = own ? object?.costNano : undefined
  const answer = model.settle(expected, one.hold, { status, booking, ownObjectCostNano })
  const settled = await settle(engine, one.manifest, one.hold, status, { booking, ownObjectCostNano })
  expect(settled.kind).toBe(answer)
  note(world, `settle: ${answer}`)
  if (answer === 'settled' || answer === 'already') jobDone(world, one.hold)
  // Of a batch that has ended nobody asks any more.
  end(world, one)
}

export async function settleStored(world: World, one: Attempt): Promise<void> {
  const { objects } = world
  if (one.phase === 'answered') store(world, one)
  await settleAs(world, one, objects.get(one.hold.stem)?.item === itemOf(one.hold) ? 'succeeded' : 'reused')
}

export function inPhase({ running }: World, ...phases: Attempt['phase'][]): Attempt[] {
  return running.filter(({ phase }) => phases.includes(phase))
}
