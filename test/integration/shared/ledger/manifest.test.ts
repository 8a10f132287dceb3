import { afterAll, beforeAll, expect, it } from 'vitest'
import { newBatchObject } from '../../../../src/shared/batch/view.ts'
import { readManifest, writeManifest } from '../../../../src/shared/ledger/manifest.ts'
import { StoreConflict, type Store } from '../../../../src/shared/ledger/store.ts'
import { readSummary, writeSummary } from '../../../../src/shared/ledger/summary.ts'
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

it('commits a batch once: of many who try, one manifest stands, and it never changes', async () => {
  const manifest = newManifest(3, { name: 'Schuhe 👟', metadata: { season: 'winter' } })
  expect(await readManifest(store, manifest.batch)).toBeUndefined()
  const attempts = ['a', 'b', 'c', 'd'].map((attempt) => ({ ...manifest, attempt }))
  const writes = await Promise.allSettled(attempts.map((one) => writeManifest(store, one)))
  expect(writes.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
  for (const write of writes) if (write.status === 'rejected') expect(write.reason).toBeInstanceOf(StoreConflict)
  const winner = attempts[writes.findIndex(({ status }) => status === 'fulfilled')]
  expect(await readManifest(store, manifest.batch)).toEqual(winner)
})

it('keeps one summary a round: whoever is second gets the one that stands', async () => {
  const manifest = newManifest(3)
  const summary = (round: number, completedAt: number) => ({
    v: 1 as const,
    round,
    sequence: 2 * round,
    batch: { ...newBatchObject(manifest), status: 'completed' as const, completed_at: completedAt },
  })
  expect(await readSummary(store, manifest.batch)).toBeUndefined()
  expect(await writeSummary(store, summary(1, 100))).toEqual(summary(1, 100))
  expect(await writeSummary(store, summary(1, 200))).toEqual(summary(1, 100))
  expect(await writeSummary(store, summary(2, 300))).toEqual(summary(2, 300))
  expect(await writeSummary(store, summary(1, 400))).toEqual(summary(2, 300))
  expect(await readSummary(store, manifest.batch)).toEqual(summary(2, 300))
})

it('agrees on one summary where two finish at once', async () => {
  const manifest = newManifest(1)
  const batch = newBatchObject(manifest)
  const written = await Promise.all(
    [1, 2, 3, 4].map((at) =>
      writeSummary(store, { v: 1, round: 1, sequence: 2, batch: { ...batch, completed_at: at } }),
    ),
  )
  const stands = await readSummary(store, manifest.batch)
  expect(written.every((one) => one.batch.completed_at === stands?.batch.completed_at)).toBe(true)
})
