import { expect } from 'vitest'
import { applyControl } from '../../../src/shared/batch/apply-control.ts'
import { closeItems } from '../../../src/shared/batch/close-range.ts'
import { markFed, takeTurn } from '../../../src/shared/batch/feed-turn.ts'
import { freeBudget } from '../../../src/shared/batch/free-budget.ts'
import { readLive } from '../../../src/shared/batch/live.ts'
import type { Control } from '../../../src/shared/ledger/control.ts'
import * as model from '../batch-model.ts'
import type { ModelBatch } from '../batch-model.ts'
import { priceNano, runId } from '../engine.ts'
import { bringIntoRedis } from './batches.ts'
import { addJob, budgetOf, closingOf, note, nowMs, type World } from './world.ts'

/** What is said of batches, and what the feed, the close and the sweep do about it. */

export async function say(world: World, id: string): Promise<boolean> {
  const { expected, ledgers, random } = world
  const { redis, keys } = world.engine
  const ledger = ledgers.get(id)
  if (ledger === undefined) return false
  const { control } = ledger
  const batch = expected.batches.get(id)
  if (ledger.ended?.round === control.round) {
    const anyFailed = [...ledger.lines.values()].some(({ status }) => status === 'failed')
    if (ledger.ended.status !== 'completed' || !anyFailed || control.round >= 4) return false
    ledger.control = { ...control, version: control.version + 1, round: control.round + 1, paused_at_ms: null }
    await bringIntoRedis(world, id)
    note(world, 'retried')
    return true
  }
  const change = random.pick<Partial<Control>>([
    { paused_at_ms: control.paused_at_ms === null ? nowMs : null },
    { paused_at_ms: control.paused_at_ms === null ? nowMs : null },
    { budget_nano: (budgetOf(ledger) ?? 0) + (1 + random.below(4)) * priceNano },
    { budget_nano: (budgetOf(ledger) ?? 0) + (1 + random.below(4)) * priceNano },
    ...(random.chance(0.35) ? [{ cancelled_at_ms: nowMs }, { expired_at_ms: nowMs }] : []),
  ])
  ledger.control = { ...control, ...change, version: control.version + 1 }
  if (batch === undefined) return true
  const next = ledger.control
  const answer = model.applyControl(expected, id, {
    version: next.version,
    paused: next.paused_at_ms !== null,
    closing: closingOf(next),
    budgetNano: budgetOf(ledger),
  })
  expect(await applyControl(redis, keys, ledger.manifest, next, nowMs)).toBe(answer)
  note(world, `control: ${answer}`)
  return true
}

export async function close(world: World, id: string): Promise<boolean> {
  const { expected } = world
  const { redis, keys } = world.engine
  const batch = expected.batches.get(id)
  if (batch?.closing === undefined) return false
  const finalizing = model.closeItems(expected, id)
  expect(await closeItems(redis, keys, runId, id, nowMs)).toEqual({ kind: 'closed', finalizing })
  return true
}

export async function feed(world: World, count: number): Promise<boolean> {
  const { expected } = world
  const { redis, keys } = world.engine
  const turn = await takeTurn(redis, keys, runId, 'standard', count)
  if (turn.kind !== 'items') return false
  const batch = expected.batches.get(turn.batch) as ModelBatch
  expect([turn.batch, model.mayFeed(batch)]).toEqual([turn.batch, true])
  for (const index of turn.indexes) {
    expect(batch.states[index]).toBe('open')
    addJob(world, { batch: turn.batch, index, round: batch.round })
    batch.states[index] = 'fed'
  }
  await markFed(redis, keys, turn.batch, turn.indexes)
  return turn.indexes.length > 0
}

/** What a sweep does, and a close: items under way without a job get one. */
export function feedLost(world: World): boolean {
  const { expected, jobs } = world
  const before = jobs.size
  for (const [id, batch] of expected.batches) {
    for (const [index, state] of batch.states.entries()) {
      const closed = state === 'open' && batch.closing !== undefined && expected.claimed.get(id)?.has(index) === true
      if (state === 'fed' || state === 'in_progress' || closed) addJob(world, { batch: id, index, round: batch.round })
    }
  }
  return jobs.size > before
}

export async function freeBudgets(world: World): Promise<boolean> {
  const { expected, engine } = world
  const { redis, keys } = engine
  const stopped = [...expected.batches.values()].some(({ overBudgetNano }) => overBudgetNano !== undefined)
  for (const [id, batch] of expected.batches) {
    const found = await readLive(redis, keys, id)
    if (found === undefined) throw new Error(`Redis does not have ${id}`)
    model.freeBudget(batch)
    await freeBudget(engine, id, found)
  }
  return stopped
}
