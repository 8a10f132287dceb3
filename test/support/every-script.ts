import { applyControl } from '../../src/shared/batch/apply-control.ts'
import { catchUp } from '../../src/shared/batch/catch-up.ts'
import { closeItems } from '../../src/shared/batch/close-range.ts'
import { dropEarlierRound } from '../../src/shared/batch/drop.ts'
import { endBatch } from '../../src/shared/batch/end.ts'
import { fixEnd } from '../../src/shared/batch/ends-as.ts'
import { markFed, takeTurn } from '../../src/shared/batch/feed-turn.ts'
import { freeBudget } from '../../src/shared/batch/free-budget.ts'
import { handBack } from '../../src/shared/batch/hand-back.ts'
import { nothingToBook, putBack } from '../../src/shared/batch/put-back.ts'
import { recordAnswer } from '../../src/shared/batch/record-answer.ts'
import { reopenItems } from '../../src/shared/batch/reopen.ts'
import { closeLane, noteAlive, noteSuspect, noteTransient, openLane } from '../../src/shared/lanes/lane.ts'
import { bookSlots, learnRate } from '../../src/shared/lanes/rate.ts'
import { firstControl, type Control } from '../../src/shared/ledger/control.ts'
import type { Manifest } from '../../src/shared/ledger/manifest.ts'
import { systemClock } from '../../src/shared/process/clock.ts'
import { systemRandom } from '../../src/shared/process/random.ts'
import { newAttempts } from '../../src/worker/attempts.ts'
import { watchEpoch } from '../../src/worker/epoch.ts'
import { startHeartbeat } from '../../src/worker/heartbeat.ts'
import { relayBehind } from '../../src/worker/relay/behind.ts'
import { relayEvents } from '../../src/worker/relay/relay.ts'
import type { Rebuilt } from '../../src/worker/rebuild.ts'
import { sealChunk } from '../../src/worker/seal.ts'
import { beat, claim, claimAndGrant, newHold, priceNano, readState, runId, settle } from './engine.ts'
import { acceptBatch, type LedgerEngine } from './ledger-engine.ts'

const nowMs = 1_700_000_050_000

/** Runs each script of ours at least once, by way of whoever calls it. */
export async function runEveryScript(engine: LedgerEngine): Promise<void> {
  await lanes(engine)
  await items(engine)
  await heartbeats(engine)
  await control(engine)
  await endings(engine)
  await relay(engine)
  await epoch(engine)
}

async function lanes({ redis, keys }: LedgerEngine): Promise<void> {
  await learnRate(redis, keys, 600, 0)
  await bookSlots(redis, keys, 3, 0)
  for (const lane of ['provider', 'storage'] as const) {
    await closeLane(redis, keys, lane, `${lane}_down`, 'down')
    await bookSlots(redis, keys, 1, 0)
    await openLane(redis, keys, lane)
  }
  await noteTransient(redis, keys, '500')
  await noteSuspect(redis, keys, 'item-a', '403')
  await noteAlive(redis, keys)
}

async function items(engine: LedgerEngine): Promise<void> {
  const { redis, keys } = engine
  const manifest = await acceptBatch(engine, 6, { budget_nano: 3 * priceNano })
  const { batch } = manifest
  const turn = await takeTurn(redis, keys, runId, 'standard', 6)
  if (turn.kind === 'items') await markFed(redis, keys, turn.batch, turn.indexes)
  const stem = 'shared/shoe'
  const [made, dead, over] = [
    newHold(manifest, 0),
    newHold(manifest, 1, { process: 'dead', stem }),
    newHold(manifest, 2),
  ]
  await claimAndGrant(engine, made)
  await recordAnswer(redis, keys, made, 'https://cdn.example/a.png')
  await putBack(redis, keys, made, nothingToBook, true, { at: 1, class: 'ok', status: 200, duration_ms: 1 })
  const again = newHold(manifest, 0)
  await claim(engine, again)
  await settle(engine, manifest, again, 'succeeded', { ownObjectCostNano: priceNano })
  await claimAndGrant(engine, dead)
  const other = await acceptBatch(engine, 1)
  await claim(engine, newHold(other, 0, { stem }))
  await claim(engine, over)
  await handBack(redis, keys, over, { claimed: true, overBudgetNano: priceNano, nowMs })
  await freeBudget(engine, batch, (await readState(engine, batch)).live)
  await claim(engine, over)
  await handBack(redis, keys, over, { claimed: true, nowMs })
  await sealChunk(engine, batch, 0)
}

async function heartbeats({ redis, keys, ...engine }: LedgerEngine): Promise<void> {
  const attempts = newAttempts(systemRandom)
  const manifest = await acceptBatch({ redis, keys, ...engine }, 1)
  Object.assign(attempts.begin(newHold(manifest, 0)), {
    calling: true,
    reservedNano: priceNano,
    url: 'https://cdn.example/a.png',
  })
  const parts = { redis, keys, clock: systemClock, attempts, lockMs: 8000, places: () => 1 }
  const heartbeat = await startHeartbeat({ ...parts, onError: raise })
  await heartbeat.stop()
}

async function control(engine: LedgerEngine): Promise<void> {
  const { redis, keys, store } = engine
  const manifest = await acceptBatch(engine, 3)
  const { batch } = manifest
  const say = (version: number, what: Partial<Control>): Promise<string> =>
    applyControl(redis, keys, manifest, { ...firstControl, version, ...what }, nowMs)
  await settle(engine, manifest, newHold(manifest, 0), 'reused')
  await sealChunk(engine, batch, 0)
  await reopenItems(redis, keys, manifest, 1, [0])
  await catchUp({ redis, keys, store, clock: systemClock }, batch)
  await say(1, { paused_at_ms: nowMs })
  await say(2, { cancelled_at_ms: nowMs })
  await closeItems(redis, keys, runId, batch, nowMs)
  await settle(engine, manifest, newHold(manifest, 2), 'reused')
  await dropEarlierRound(redis, keys, manifest, 2)
}

async function endings(engine: LedgerEngine): Promise<void> {
  const { redis, keys } = engine
  const { batch, attempt } = await settled(engine)
  await fixEnd(redis, keys, batch, 1)
  await sealChunk(engine, batch, 0)
  await endBatch(redis, keys, { batch, round: 1, attempt, eventType: 'batch.completed', nowMs })
}

async function settled(engine: LedgerEngine): Promise<Manifest> {
  const webhook = { url: 'https://shop.example', events: ['item.succeeded'] }
  const manifest = await acceptBatch(engine, 1, { webhook })
  const hold = newHold(manifest, 0)
  await claimAndGrant(engine, hold)
  await settle(engine, manifest, hold, 'succeeded')
  return manifest
}

async function relay(engine: LedgerEngine): Promise<void> {
  const { batch } = await settled(engine)
  await relayEvents(engine)
  await engine.redis.hset(engine.keys.behind, batch, '0-0')
  await relayBehind(engine, batch)
}

/** The last: from here on the epoch is that of the real Redis. */
async function epoch(engine: LedgerEngine): Promise<void> {
  const { redis, keys } = engine
  await beat(engine, 'process-1')
  const rebuild = async (): Promise<Rebuilt> => Promise.resolve({ live: 1, created: 1, lost: 1 })
  const parts = { redis, keys, clock: systemClock, random: systemRandom, lockMs: 8000, rebuild, onError: raise }
  await watchEpoch(parts).check()
}

function raise(error: Error): never {
  throw error
}
