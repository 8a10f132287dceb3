import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { listBatches, type ListRequest } from '../../../../src/shared/batch/list.ts'
import { newBatchObject, type ViewParts } from '../../../../src/shared/batch/view.ts'
import { newBatchId } from '../../../../src/shared/contract/ids.ts'
import { rewriteListing, writeListing } from '../../../../src/shared/ledger/listing.ts'
import { writeManifest, type Manifest } from '../../../../src/shared/ledger/manifest.ts'
import type { Store } from '../../../../src/shared/ledger/store.ts'
import { systemClock } from '../../../../src/shared/process/clock.ts'
import type { Redis } from '../../../../src/shared/redis/connect.ts'
import { createBatch } from '../../../../src/shared/batch/create.ts'
import {
  freshEngine,
  newHold,
  newManifest,
  openRedis,
  settle,
  startedAtMs,
  type Engine,
} from '../../../support/engine.ts'
import { freshNames } from '../../../support/fresh-names.ts'
import { openTestStore } from '../../../support/test-store.ts'

let redis: Redis
let store: Store
let engine: Engine
let parts: ViewParts
let tenants = 0

beforeAll(async () => {
  redis = openRedis()
  store = openTestStore((await freshNames(import.meta.filename)).bucket)
})
afterAll(() => {
  redis.disconnect()
  store.close()
})
beforeEach(async () => {
  engine = await freshEngine(redis)
  parts = { redis, keys: engine.keys, store, clock: systemClock }
  tenants += 1
})

const tenant = (): string => `tenant-${String(tenants)}`

/** The nth batch of this test's tenant, accepted a second after the one before. */
async function accepted(nth: number, metadata: Record<string, string> = {}): Promise<Manifest> {
  const made = newManifest(2, { metadata }, tenant())
  const manifest = { ...made, batch: newBatchId(startedAtMs + nth * 1000, Math.random) }
  await writeManifest(store, manifest)
  await writeListing(store, manifest.tenant, newBatchObject(manifest))
  await createBatch(redis, engine.keys, manifest)
  return manifest
}

/** It has ended: the ledger says so, and Redis has forgotten it. */
async function end(manifest: Manifest): Promise<void> {
  await rewriteListing(store, manifest.tenant, { ...newBatchObject(manifest), status: 'completed' })
  await redis.del(engine.keys.batch(manifest.batch).live)
}

async function list(request: Partial<ListRequest> = {}, of = tenant()): Promise<{ ids: string[]; more: boolean }> {
  const page = await listBatches(parts, of, { limit: 20, ...request })
  if (page === 'unknown_after') throw new Error(page)
  return { ids: page.data.map(({ id }) => id), more: page.has_more }
}

describe('listBatches', () => {
  it("lists a tenant's batches newest first, and nobody else's", async () => {
    const batches: string[] = []
    for (let nth = 0; nth < 3; nth += 1) batches.unshift((await accepted(nth)).batch)
    expect(await list()).toEqual({ ids: batches, more: false })
    expect(await list({}, 'somebody-else')).toEqual({ ids: [], more: false })
  })

  it('gives page after page without a gap or a repeat, and says whether there is more', async () => {
    const batches: string[] = []
    for (let nth = 0; nth < 5; nth += 1) batches.unshift((await accepted(nth)).batch)
    expect(await list({ limit: 2 })).toEqual({ ids: batches.slice(0, 2), more: true })
    expect(await list({ limit: 2, after: batches[1] })).toEqual({ ids: batches.slice(2, 4), more: true })
    expect(await list({ limit: 2, after: batches[3] })).toEqual({ ids: batches.slice(4), more: false })
    expect(await list({ limit: 5 })).toEqual({ ids: batches, more: false })
    expect(await list({ limit: 5, after: batches[4] })).toEqual({ ids: [], more: false })
  })

  it('shows a live batch as Redis has it now, and an ended one as it ended', async () => {
    const live = await accepted(0)
    await end(await accepted(1))
    await settle(engine, live, newHold(live, 0), 'succeeded')
    const page = await listBatches(parts, tenant(), { limit: 20 })
    expect(page).toMatchObject({
      data: [
        { status: 'completed' },
        { id: live.batch, status: 'in_progress', request_counts: { succeeded: 1, queued: 1 } },
      ],
    })
  })

  it('filters by status and by pairs of metadata, all of which must match', async () => {
    const one = await accepted(0, { season: 'winter', kind: 'shoe' })
    const two = await accepted(1, { season: 'winter', kind: 'hat' })
    const three = await accepted(2, { season: 'summer' })
    await end(two)
    expect(await list({ status: 'in_progress' })).toEqual({ ids: [three.batch, one.batch], more: false })
    expect(await list({ status: 'completed' })).toEqual({ ids: [two.batch], more: false })
    expect(await list({ metadata: { season: 'winter' } })).toEqual({ ids: [two.batch, one.batch], more: false })
    expect(await list({ metadata: { season: 'winter', kind: 'shoe' } })).toEqual({ ids: [one.batch], more: false })
    expect(await list({ metadata: { season: 'spring' } })).toEqual({ ids: [], more: false })
  })

  it('looks for the matches of a page as far as it must', async () => {
    const wanted: string[] = []
    for (let nth = 0; nth < 45; nth += 1) {
      const { batch } = await accepted(nth, nth % 15 === 0 ? { wanted: 'yes' } : {})
      if (nth % 15 === 0) wanted.unshift(batch)
    }
    expect(await list({ metadata: { wanted: 'yes' }, limit: 2 })).toEqual({ ids: wanted.slice(0, 2), more: true })
    const after = wanted[1]
    expect(await list({ metadata: { wanted: 'yes' }, limit: 2, after })).toEqual({ ids: wanted.slice(2), more: false })
  })

  it('says so where there is no batch to go on behind, or only one of somebody else', async () => {
    const { batch } = await accepted(0)
    const after = newBatchId(startedAtMs, Math.random)
    expect(await listBatches(parts, tenant(), { limit: 20, after })).toBe('unknown_after')
    expect(await listBatches(parts, 'somebody-else', { limit: 20, after: batch })).toBe('unknown_after')
  })
})
