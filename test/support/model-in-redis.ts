import { expect } from 'vitest'
import { stateAt, itemState, type ItemState } from '../../src/shared/batch/states.ts'
import type { Manifest } from '../../src/shared/ledger/manifest.ts'
import { countOf, mayFeed, type Model, type ModelBatch, type ModelFence } from './batch-model.ts'
import type { Engine } from './engine.ts'

const stateNames = Object.keys(itemState) as ItemState[]

export interface Looked {
  readonly manifests: readonly Manifest[]
  /** The tenant of each output stem that a batch has an item for. */
  readonly tenantByStem: ReadonlyMap<string, string>
  /** Each item's outcome of a round, as it was seen before. */
  readonly outcomes: Map<string, string>
}

/**
 * Compares all that Redis holds with the model, in one read. `outcomes` remembers each item's outcome of a round: it
 * never changes. Beside that: counts add up, nothing is negative, and what is reserved is what is being called.
 */
export async function compareWithRedis(
  { redis, keys }: Engine,
  model: Model,
  { manifests, tenantByStem, outcomes }: Looked,
): Promise<void> {
  const stems = [...tenantByStem]
  const pipeline = redis.pipeline()
  for (const { batch } of manifests) {
    const { live, states, tries, claimed, outcomes: outcomesOf } = keys.batch(batch)
    pipeline.hgetall(live).getBuffer(states).hgetall(tries).smembers(claimed).hgetall(outcomesOf(0))
  }
  for (const [stem, tenant] of stems) pipeline.hgetall(keys.fence(tenant, stem))
  pipeline.get(keys.unwritten).lrange(keys.feedTenants('standard'), 0, -1)
  for (const { tenant } of manifests) pipeline.lrange(keys.feedBatches('standard', tenant), 0, -1)
  const answers = ((await pipeline.exec()) ?? []).map(([error, answer]) => {
    if (error !== null) throw error
    return answer
  })
  const perBatch = answers.splice(0, 5 * manifests.length)
  const fences = answers.splice(0, stems.length) as Record<string, string>[]
  const [unwritten, tenants, ...turns] = answers as [string | null, string[], ...string[][]]

  let unwrittenBytes = 0
  for (const [at, { batch, total, tenant }] of manifests.entries()) {
    const [live, packed, tries, claimed, texts] = perBatch.slice(5 * at, 5 * at + 5) as [
      Record<string, string>,
      Buffer | null,
      Record<string, string>,
      string[],
      Record<string, string>,
    ]
    const expected = model.batches.get(batch)
    expect(new Set(claimed.map(Number))).toEqual(model.claimed.get(batch) ?? new Set())
    if (expected === undefined) {
      expect([batch, live]).toEqual([batch, {}])
      continue
    }
    const states = Array.from({ length: total }, (_, index) => stateNames[stateAt(packed as Buffer, index)])
    expect([batch, states]).toEqual([batch, expected.states])
    expect(liveOf(live)).toEqual(fieldsOf(expected))
    expect(tries).toEqual(triesOf(expected))
    expect(new Set(Object.keys(texts).map(Number))).toEqual(new Set(expected.outcomes.keys()))

    expect(stateNames.reduce((sum, name) => sum + Number(live[name]), 0)).toBe(total)
    for (const field of ['calls', 'indeterminate', 'images', 'cost_nano', 'reserved_nano']) {
      expect([field, Number(live[field]) >= 0]).toEqual([field, true])
    }
    const calling = fences.filter((fence) => fence['calling'] === '1' && fence['purse'] === live['purse'])
    const ofThis = calling.filter((fence) => fence['batch'] === batch)
    expect(Number(live['reserved_nano'])).toBe(ofThis.reduce((sum, fence) => sum + Number(fence['reserved_nano']), 0))
    for (const [index, text] of Object.entries(texts)) {
      unwrittenBytes += Buffer.byteLength(text)
      const [round, calls, costNano] = text.split(' ')
      const { status } = JSON.parse(text.slice(text.indexOf('] {') + 2)) as { status: string }
      const known = expected.outcomes.get(Number(index))
      expect([round, calls, costNano, status]).toEqual([
        String(known?.round),
        String(known?.calls),
        String(known?.costNano),
        known?.status,
      ])
      const item = `${batch} ${index} ${round ?? ''}`
      expect(outcomes.get(item) ?? text).toBe(text)
      outcomes.set(item, text)
    }
    // Whoever has something to feed is in turn: else nobody would ever feed it.
    if (mayFeed(expected)) {
      expect(turns[at]).toContain(batch)
      expect(tenants).toContain(tenant)
    }
  }
  expect(Number(unwritten ?? 0)).toBe(unwrittenBytes)
  for (const [at, [stem]] of stems.entries()) {
    const expected = model.fences.get(stem)
    expect([stem, withoutPurse(fences[at] ?? {})]).toEqual([stem, expected === undefined ? {} : fenceOf(expected)])
  }
}

function liveOf(live: Record<string, string>): object {
  const number = (name: string): number | undefined => (live[name] === undefined ? undefined : Number(live[name]))
  return {
    round: number('round'),
    status: live['status'],
    counts: stateNames.map((name) => number(name)),
    calls: number('calls'),
    indeterminate: number('indeterminate'),
    images: number('images'),
    costNano: number('cost_nano'),
    reservedNano: number('reserved_nano'),
    budgetNano: number('budget_nano'),
    overBudgetNano: number('over_budget'),
    controlVersion: number('control_version'),
    paused: live['paused_at_ms'] !== undefined,
    closing: live['closing'],
    endsAs: live['ends_as'],
  }
}

function fieldsOf(batch: ModelBatch): object {
  const { round, status, calls, indeterminate, images, costNano, reservedNano } = batch
  const { budgetNano, overBudgetNano, controlVersion, paused, closing, endsAs } = batch
  const counts = stateNames.map((name) => countOf(batch, name))
  const usage = { calls, indeterminate, images, costNano, reservedNano, budgetNano, overBudgetNano }
  return { round, status, counts, ...usage, controlVersion, paused, closing, endsAs }
}

function triesOf(batch: ModelBatch): Record<string, string> {
  return Object.fromEntries(
    [...batch.tries].map(([index, { calls, unknown, bad, costNano, suspected, answered }]) => [
      String(index),
      [calls, unknown, bad, costNano, suspected, answered].join(':'),
    ]),
  )
}

function withoutPurse({ purse: _, ...fence }: Record<string, string>): Record<string, string> {
  return fence
}

function fenceOf({ process, attempt, batch, index, round, calling, reservedNano, url }: ModelFence): object {
  return {
    process,
    attempt,
    batch,
    index: String(index),
    round: String(round),
    ...(calling ? { calling: '1', reserved_nano: String(reservedNano) } : {}),
    ...(url === undefined ? {} : { url }),
  }
}
