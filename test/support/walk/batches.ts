import { expect } from 'vitest'
import { createBatch, type Known } from '../../../src/shared/batch/create.ts'
import { dropEarlierRound } from '../../../src/shared/batch/drop.ts'
import { endBatch } from '../../../src/shared/batch/end.ts'
import { fixEnd } from '../../../src/shared/batch/ends-as.ts'
import { letGo, unwrittenOutcomes } from '../../../src/shared/batch/let-go.ts'
import { parseOutcome } from '../../../src/shared/batch/outcome.ts'
import { firstControl } from '../../../src/shared/ledger/control.ts'
import { formatUsd } from '../../../src/shared/money/usd.ts'
import type { ModelBatch } from '../batch-model.ts'
import { newManifest, priceNano } from '../engine.ts'
import { batchesAtOnce, budgetOf, closingOf, note, nowMs, type Ledger, type World } from './world.ts'

/** Batches are accepted, brought back, sealed, ended and forgotten. */

export async function accept(world: World): Promise<void> {
  const { ledgers, random } = world
  const budget_nano = random.chance(0.5) ? random.below(5) * priceNano : null
  const webhook = random.chance(0.5) ? { url: 'https://a.example', events: ['item.succeeded', 'item.failed'] } : null
  const group = Math.floor((world.seen['accepted'] ?? 0) / batchesAtOnce)
  const tenant = `tenant-${String(group % 2)}`
  const manifest = {
    ...newManifest(4 + random.below(9), { budget_nano, webhook }, tenant),
    attempt: `group-${String(group)}`,
  }
  ledgers.set(manifest.batch, { manifest, control: firstControl, lines: new Map(), ended: undefined })
  await bringIntoRedis(world, manifest.batch)
  note(world, 'accepted')
}

function knownOf({ control, lines, ended }: Ledger): Known {
  const standing = [...lines].filter(([, line]) => !(line.status === 'failed' && line.round < control.round))
  const spent = ended !== undefined && ended.round < control.round ? ended.spent : undefined
  return { control, outcomes: new Map(standing), spent: spent ?? { calls: 0, costNano: 0, indeterminate: 0 } }
}

export async function bringIntoRedis(world: World, id: string): Promise<void> {
  const { expected, ledgers } = world
  const { redis, keys } = world.engine
  const ledger = ledgers.get(id) as Ledger
  const known = knownOf(ledger)
  const { control, manifest } = ledger
  const there = expected.batches.get(id)
  if (there !== undefined && there.round < control.round) {
    expected.batches.delete(id)
    expected.claimed.delete(id)
  }
  await dropEarlierRound(redis, keys, manifest, control.round)
  const created = await createBatch(redis, keys, manifest, known)
  expect(created).toBe(expected.batches.has(id) ? 'exists' : 'created')
  if (created === 'exists') return
  world.pursesMade += 1
  const states = Array.from({ length: manifest.total }, (_, index) => known.outcomes.get(index)?.status ?? 'open')
  const present = [...known.outcomes.values()].filter((line) => line.round === control.round)
  const sum = (of: (line: (typeof present)[number]) => number): number =>
    present.reduce((all, line) => all + of(line), 0)
  const batch: ModelBatch = {
    purse: world.pursesMade,
    round: control.round,
    status: known.outcomes.size === manifest.total ? 'finalizing' : 'in_progress',
    states,
    tries: new Map(),
    outcomes: new Map(),
    calls: known.spent.calls + sum((line) => line.attempts),
    indeterminate: known.spent.indeterminate,
    images: states.filter((state) => state === 'succeeded').length,
    costNano: known.spent.costNano + sum((line) => Math.round(Number(line.cost_usd) * 1e9)),
    reservedNano: 0,
    budgetNano: budgetOf(ledger),
    overBudgetNano: undefined,
    controlVersion: control.version,
    paused: control.paused_at_ms !== null,
    closing: closingOf(control),
    endsAs: undefined,
  }
  expected.batches.set(id, batch)
}

export async function finishBatch(world: World, id: string): Promise<boolean> {
  const { expected, ledgers } = world
  const { redis, keys } = world.engine
  const batch = expected.batches.get(id)
  const ledger = ledgers.get(id)
  if (batch === undefined || ledger === undefined) return false
  await seal(world, id)
  const fixed = await fixEnd(redis, keys, id, batch.round)
  const ready = batch.status === 'finalizing'
  if (ready) batch.endsAs ??= batch.closing ?? 'completed'
  expect(fixed).toBe(ready ? batch.endsAs : 'refused')
  const { attempt } = ledger.manifest
  const ending = { batch: id, round: batch.round, attempt, eventType: `batch.${fixed}`, nowMs }
  const ended = await endBatch(redis, keys, ending)
  expect(ended).toBe(ready ? 'ended' : batch.status === 'ended' ? 'already' : 'refused')
  if (!ready) return ended !== 'refused' || batch.endsAs !== undefined
  batch.status = 'ended'
  // It is forgotten by a step of its own, however slow this machine is.
  for (const key of keysOf(world, id)) await redis.persist(key)
  // Every item has its line: those that were closed have theirs from the input.
  for (const [index, status] of batch.states.entries()) {
    if (status !== 'cancelled' && status !== 'expired') continue
    const { calls = 0, costNano = 0 } = batch.tries.get(index) ?? {}
    ledger.lines.set(index, { status, attempts: calls, cost_usd: formatUsd(costNano), round: batch.round })
  }
  expect([...ledger.lines.keys()].toSorted((a, b) => a - b)).toEqual([...batch.states.keys()])
  const { calls, costNano, indeterminate } = batch
  ledger.ended = { round: batch.round, status: fixed, spent: { calls, costNano, indeterminate } }
  note(world, `ended ${fixed}`)
  return true
}

export async function seal(world: World, id: string): Promise<boolean> {
  const { expected, ledgers } = world
  const { redis, keys } = world.engine
  const unwritten = await unwrittenOutcomes(redis, keys, id, 0)
  for (const [index, text] of unwritten) {
    const { status, attempts, cost_usd: cost, round } = parseOutcome(text)
    const stands = ledgers.get(id)?.lines.get(index)
    if (stands === undefined || stands.round < round)
      ledgers.get(id)?.lines.set(index, { status, attempts, cost_usd: cost ?? '0', round })
  }
  await letGo(redis, keys, { batch: id, chunk: 0, nowMs }, unwritten)
  expected.batches.get(id)?.outcomes.clear()
  return unwritten.size > 0
}

/** What Redis holds of a batch that ended is let go of by itself, after a while. */
export async function forget(world: World, id: string): Promise<boolean> {
  const { expected, ledgers, jobs, random } = world
  const { redis } = world.engine
  await redis.del(...keysOf(world, id))
  expected.batches.delete(id)
  expected.claimed.delete(id)
  if (random.chance(0.5)) {
    ledgers.delete(id)
    for (const job of jobs.keys()) if (job.startsWith(id)) jobs.delete(job)
  }
  return true
}

function keysOf({ engine }: World, id: string): string[] {
  const { live, states, tries, log, claimed, settled, unsealed } = engine.keys.batch(id)
  return [live, states, tries, log, claimed, settled, unsealed]
}
