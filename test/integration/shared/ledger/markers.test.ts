import { afterAll, beforeAll, expect, it } from 'vitest'
import { newBatchId } from '../../../../src/shared/contract/ids.ts'
import { listMarkers, removeMarker, writeMarker, type Marker } from '../../../../src/shared/ledger/markers.ts'
import type { Store } from '../../../../src/shared/ledger/store.ts'
import { freshNames } from '../../../support/fresh-names.ts'
import { openTestStore } from '../../../support/test-store.ts'

let store: Store
beforeAll(async () => {
  store = openTestStore((await freshNames(import.meta.filename)).bucket, { prefix: 'shop/' })
})
afterAll(() => {
  store.close()
})

async function list(from: Store = store): Promise<Marker[]> {
  const markers: Marker[] = []
  for await (const marker of listMarkers(from)) markers.push(marker)
  return markers
}

/** The same bucket, of which a page of a list holds two keys. */
const inSmallPages = (): Store => ({
  ...store,
  list: (prefix, options) => store.list(prefix, { ...options, limit: 2 }),
})

it('lists the markers that were written and not removed, oldest batch first, whatever the page', async () => {
  const batches = Array.from({ length: 5 }, (_, at) => newBatchId(1_700_000_000_000 + at * 1000, Math.random))
  for (const batch of batches.toReversed()) await writeMarker(store, batch, 1)
  await writeMarker(store, batches[2] as string, 2)
  await writeMarker(store, batches[2] as string, 1) // twice is once
  const all = [
    ...batches.slice(0, 2).map((batch) => ({ batch, round: 1 })),
    { batch: batches[2], round: 1 },
    { batch: batches[2], round: 2 },
    ...batches.slice(3).map((batch) => ({ batch, round: 1 })),
  ]
  expect(await list()).toEqual(all)
  expect(await list(inSmallPages())).toEqual(all)

  await removeMarker(store, batches[2] as string, 1)
  await removeMarker(store, batches[2] as string, 1)
  expect(await list()).toEqual(all.filter((marker) => marker.batch !== batches[2] || marker.round === 2))
})

it('passes over what is no marker', async () => {
  const before = await list()
  await store.put('live/readme.txt', 'x', { condition: 'absent', contentType: 'text/plain' })
  await store.put('live/batch_00000000000000000000000000.0', 'x', { condition: 'absent', contentType: 'text/plain' })
  expect(await list()).toEqual(before)
})
