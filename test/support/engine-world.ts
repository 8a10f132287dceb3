import { expect } from 'vitest'
import { markFed, takeTurn } from '../../src/shared/batch/feed-turn.ts'
import type { Hold } from '../../src/shared/batch/hold.ts'
import { letGo, unwrittenOutcomes } from '../../src/shared/batch/let-go.ts'
import { nothingToBook, putBack } from '../../src/shared/batch/put-back.ts'
import { recordAnswer } from '../../src/shared/batch/record-answer.ts'
import type { Manifest } from '../../src/shared/ledger/manifest.ts'
import { beat, claim, grant, newHold, priceNano, readFence, readState, runId, settle, type Engine } from './engine.ts'

/** What may happen, and how often beside the others. */
export const steps = {
  feed: 1,
  claim: 6,
  grant: 6,
  answer: 3,
  fail: 2,
  'give back': 1,
  settle: 3,
  lapse: 3,
  revive: 1,
  seal: 1,
}
/** What is done, and a number that chooses whom it is done to. */
export type Step = readonly [keyof typeof steps, number]

/** An attempt that runs, as far as its own process knows; others may take it for dead. */
interface Running {
  readonly hold: Hold
  readonly manifest: Manifest
  phase: 'claimed' | 'calling' | 'stored'
  costNano: number
  /** Its process' lease had run out when it began, or ran out since. */
  lapsed: boolean
}

export interface World {
  take(step: Step): Promise<void>
  /** What holds after every step. */
  check(): Promise<void>
  /** Everybody lives and ends what is begun, until every item has its outcome. */
  finish(): Promise<void>
  /** Calls sent for a batch, and of these the ones that were refused at no charge and booked. */
  sent(batch: string): number
  free(batch: string): number
}

const processes = ['p0', 'p1', 'p2'] as const
export const itemsEach = 2
const url = 'https://cdn.example/shoe.png'
const failures = [
  { ...nothingToBook, calls: 1 },
  { ...nothingToBook, calls: 1, unknown: 1, costNano: priceNano },
  { ...nothingToBook, calls: 1, bad: 1, costNano: priceNano },
] as const

/** Workers that do the right thing in any order, while their leases come and go: what the scripts must bear. */
export function newWorld(engine: Engine, manifests: readonly Manifest[]): World {
  const { redis, keys } = engine
  const running: Running[] = []
  const lapsed = new Set<string>()
  const outcomes = new Map<string, string>()
  /** Objects in the bucket, by key: which item made it, and its cost. */
  const objects = new Map<string, { item: string; costNano: number }>()
  const sent = new Map<string, number>()
  const free = new Map<string, number>()

  const all = (phase: Running['phase']): Running[] => running.filter((one) => one.phase === phase)
  const end = (one: Running): void => {
    running.splice(running.indexOf(one), 1)
  }

  function store(one: Running): void {
    objects.set(one.hold.stem, { item: itemOf(one.hold), costNano: one.costNano })
    one.phase = 'stored'
  }

  async function begin(manifest: Manifest, index: number, process: string): Promise<void> {
    const hold = newHold(manifest, index, { process, stem: stemOf(manifest, index) })
    const claimed = await claim(engine, hold, (attempt) => running.some((one) => one.hold.attempt === attempt))
    if (claimed.kind !== 'claimed') return
    const { costNano } = claimed.tries
    const one: Running = { hold, manifest, phase: 'claimed', costNano, lapsed: lapsed.has(process) }
    running.push(one)
    // The look: what this item made already is found; what it paid for is fetched.
    if (objects.get(hold.stem)?.item === itemOf(hold)) one.phase = 'stored'
    else if (claimed.url !== undefined) store(one)
  }

  async function pay(one: Running): Promise<void> {
    if ((await grant(engine, one.hold)) !== 'granted') {
      end(one)
      return
    }
    // P3: nobody is granted a call while another one's can still be alive, for all that anybody knows.
    expect(all('calling').filter((other) => other.hold.stem === one.hold.stem && !other.lapsed)).toEqual([])
    one.phase = 'calling'
    add(sent, one.hold.batch)
  }

  async function answer(one: Running, withUrl: boolean): Promise<void> {
    await recordAnswer(redis, keys, one.hold, withUrl ? url : undefined)
    one.costNano += priceNano
    store(one)
  }

  async function fail(one: Running, kind: 0 | 1 | 2): Promise<void> {
    const { process, attempt } = await readFence(engine, one.hold)
    const holds = process === one.hold.process && attempt === one.hold.attempt
    const booking = failures[kind]
    if (holds && kind === 0) add(free, one.hold.batch)
    if (kind === 2) await settle(engine, one.manifest, one.hold, 'failed', { booking })
    else await putBack(redis, keys, one.hold, booking, false)
    end(one)
  }

  async function giveBack(one: Running): Promise<void> {
    await putBack(redis, keys, one.hold, nothingToBook, true)
    end(one)
  }

  async function finishOne(one: Running): Promise<void> {
    const found = objects.get(one.hold.stem)
    const own = found?.item === itemOf(one.hold)
    const ownObjectCostNano = own ? found?.costNano : undefined
    await settle(engine, one.manifest, one.hold, own ? 'succeeded' : 'reused', { ownObjectCostNano })
    end(one)
  }

  async function choose(phase: Running['phase'], choice: number, act: (one: Running) => Promise<void>): Promise<void> {
    const among = all(phase)
    const one = among[choice % Math.max(1, among.length)]
    if (one !== undefined) await act(one)
  }

  async function take([step, choice]: Step): Promise<void> {
    const manifest = manifests[choice % manifests.length] as Manifest
    const process = processes[choice % processes.length] as string
    switch (step) {
      case 'feed': {
        const turn = await takeTurn(redis, keys, runId, 'standard', 1 + (choice % 2))
        if (turn.kind === 'items') await markFed(redis, keys, turn.batch, turn.indexes)
        break
      }
      case 'claim':
        await begin(manifest, Math.floor(choice / 2) % itemsEach, process)
        break
      case 'grant':
        await choose('claimed', choice, pay)
        break
      case 'answer':
        await choose('calling', choice, (one) => answer(one, choice % 2 === 0))
        break
      case 'fail':
        await choose('calling', choice, (one) => fail(one, (choice % 3) as 0 | 1 | 2))
        break
      case 'give back':
        await choose('claimed', choice, giveBack)
        break
      case 'settle':
        await choose('stored', choice, finishOne)
        break
      case 'lapse':
        lapsed.add(process)
        for (const one of running) one.lapsed ||= one.hold.process === process
        await beat(engine, process, -1)
        break
      case 'revive':
        lapsed.delete(process)
        await beat(engine, process)
        break
      case 'seal': {
        const { batch } = manifest
        const written = await unwrittenOutcomes(redis, keys, batch, 0)
        await letGo(redis, keys, { batch, chunk: 0, nowMs: 1 }, written)
      }
    }
  }

  async function check(): Promise<void> {
    let unwritten = 0
    for (const { batch } of manifests) {
      const { live } = await readState(engine, batch)
      expect(live.indeterminate).toBeGreaterThanOrEqual(0)
      expect(live.indeterminate).toBeLessThanOrEqual(live.calls)
      expect(live.calls).toBeLessThanOrEqual(sent.get(batch) ?? 0)
      for (const [index, text] of await unwrittenOutcomes(redis, keys, batch, 0)) {
        unwritten += Buffer.byteLength(text)
        // P2: an outcome never changes.
        const item = `${batch}-${String(index)}`
        expect(outcomes.get(item) ?? text).toBe(text)
        outcomes.set(item, text)
      }
    }
    expect(Number((await redis.get(keys.unwritten)) ?? 0)).toBe(unwritten)
  }

  async function finish(): Promise<void> {
    for (const at of processes.keys()) await take(['revive', at])
    for (let turn = 0; turn < 40; turn += 1) {
      for (const one of all('calling')) await answer(one, false)
      for (const one of all('stored')) await finishOne(one)
      for (const one of all('claimed')) await pay(one)
      if (running.length > 0) continue
      for (let choice = 0; choice < 4; choice += 1) await take(['feed', choice])
      for (let choice = 0; choice < 12; choice += 1) await take(['claim', choice])
      if (running.length === 0) return
    }
  }

  return { take, check, finish, sent: (batch) => sent.get(batch) ?? 0, free: (batch) => free.get(batch) ?? 0 }
}

/** Both batches write to one key with their first item. */
function stemOf({ batch }: Manifest, index: number): string {
  return index === 0 ? 'shared' : `${batch}/${String(index)}`
}

function itemOf({ batch, index }: Hold): string {
  return `${batch}-${String(index)}`
}

function add(counts: Map<string, number>, batch: string): void {
  counts.set(batch, (counts.get(batch) ?? 0) + 1)
}
