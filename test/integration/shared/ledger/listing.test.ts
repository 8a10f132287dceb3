import { afterAll, beforeAll, expect, it } from 'vitest'
import { newBatchObject } from '../../../../src/shared/batch/view.ts'
import type { BatchObject } from '../../../../src/shared/contract/batch-object.ts'
import { newBatchId } from '../../../../src/shared/contract/ids.ts'
import { hasListing, listListings, rewriteListing, writeListing } from '../../../../src/shared/ledger/listing.ts'
import type { Store } from '../../../../src/shared/ledger/store.ts'
import { newManifest } from '../../../support/engine.ts'
import { freshNames } from '../../../support/fresh-names.ts'
import { openTestStore } from '../../../support/test-store.ts'

let store: Store
beforeAll(async () => {
  store = openTestStore((await freshNames(import.meta.filename)).bucket)
})
afterAll(() => {
  store.close()
})

function newBatch(atMs: number, name: string): BatchObject {
  return newBatchObject({ ...newManifest(1, { name }), batch: newBatchId(atMs, Math.random) })
}

async function list(tenant: string, after?: string, from: Store = store): Promise<(string | null | undefined)[]> {
  const names: (string | null | undefined)[] = []
  for await (const listing of listListings(from, tenant, after)) names.push((await listing.read())?.name)
  return names
}

it('lists newest first, behind a batch, whatever the page, and over the turn of the century of milliseconds', async () => {
  const times = [999_999_999_999, 1_700_000_000_000, 1_700_000_000_001, 1_800_000_000_000, 4_000_000_000_000]
  const batches = times.map((atMs) => newBatch(atMs, String(atMs)))
  for (const batch of batches) await writeListing(store, 'pages', batch)
  const newestFirst = times.toReversed().map(String)
  expect(await list('pages')).toEqual(newestFirst)
  expect(await list('pages', batches[3]?.id)).toEqual(newestFirst.slice(2))
  const inSmallPages: Store = {
    ...store,
    list: (prefix, options) => store.list(prefix, { ...options, limit: 2 }),
  }
  expect(await list('pages', undefined, inSmallPages)).toEqual(newestFirst)
  expect(await list('pages', batches[0]?.id)).toEqual([])
})

it('keeps tenants apart, one whose name begins like another as well', async () => {
  const batch = newBatch(1_700_000_000_000, 'of shop')
  await writeListing(store, 'shop', batch)
  await writeListing(store, 'shop-2', newBatch(1_700_000_000_000, 'of shop-2'))
  expect(await list('shop')).toEqual(['of shop'])
  expect([await hasListing(store, 'shop', batch.id), await hasListing(store, 'shop-2', batch.id)]).toEqual([
    true,
    false,
  ])
})

it('keeps what stands when a batch is written that was accepted before, and replaces it when told to', async () => {
  const batch = newBatch(1_700_000_000_000, 'as accepted')
  await writeListing(store, 'order', batch)
  await rewriteListing(store, 'order', { ...batch, name: 'as it ended' })
  await writeListing(store, 'order', batch)
  expect(await list('order')).toEqual(['as it ended'])
  const other = newBatch(1_600_000_000_000, 'never written before')
  await rewriteListing(store, 'order', other)
  expect(await list('order')).toEqual(['as it ended', 'never written before'])
})

it('loses no rewrite to another: the last one stands', async () => {
  const batch = newBatch(1_700_000_000_000, 'first')
  await Promise.all(Array.from({ length: 6 }, () => rewriteListing(store, 'race', { ...batch, name: 'one of many' })))
  await rewriteListing(store, 'race', { ...batch, name: 'the last' })
  expect(await list('race')).toEqual(['the last'])
})
