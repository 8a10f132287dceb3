import { createHash } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { AcceptedOptions } from '../../../../src/shared/contract/accepted.ts'
import { newBatchId } from '../../../../src/shared/contract/ids.ts'
import {
  freeKey,
  keyKeptMs,
  refreshKey,
  removeOldKeys,
  takeKey,
  type HeldKey,
  type IdempotencyKey,
} from '../../../../src/shared/ledger/idempotency.ts'
import { abandonBatch, writeManifest, type Manifest } from '../../../../src/shared/ledger/manifest.ts'
import type { Store } from '../../../../src/shared/ledger/store.ts'
import { freshNames } from '../../../support/fresh-names.ts'
import { openTestStore } from '../../../support/test-store.ts'

let store: Store
beforeAll(async () => {
  store = openTestStore((await freshNames(import.meta.filename)).bucket)
})
afterAll(() => {
  store.close()
})

const nowMs = 1_800_000_000_000
let made = 0

function newKey(): IdempotencyKey {
  made += 1
  return { tenant: 'default', key: `key ${String(made)}` }
}

function take(key: IdempotencyKey, attempt: string, more: { nowMs?: number; deadEtag?: string } = {}) {
  return takeKey(store, key, { attempt, newBatch: () => newBatchId(nowMs, Math.random), nowMs, ...more })
}

async function held(key: IdempotencyKey, attempt: string, deadEtag?: string): Promise<HeldKey> {
  const taken = await take(key, attempt, deadEtag === undefined ? {} : { deadEtag })
  if (taken.kind !== 'held') throw new Error(taken.kind)
  return taken.held
}

async function accept({ batch, attempt }: HeldKey): Promise<Manifest> {
  const manifest: Manifest = {
    v: 1,
    batch,
    tenant: 'default',
    attempt,
    body_hash: 'hash',
    created_at_ms: nowMs,
    options: {} as AcceptedOptions,
    total: 1,
    chunks: 1,
    warnings: [],
    answer: '{}',
  }
  await writeManifest(store, manifest)
  return manifest
}

describe('an idempotency key', () => {
  it('is taken by one of many attempts at once', async () => {
    const key = newKey()
    const taken = await Promise.all(Array.from({ length: 8 }, (_, at) => take(key, String(at))))
    expect(taken.filter(({ kind }) => kind === 'held')).toHaveLength(1)
    expect(taken.filter(({ kind }) => kind === 'under_way')).toHaveLength(7)
  })

  it('lies under the hash of itself, whatever it holds', async () => {
    const key = { tenant: 'default', key: '../../%2e a/b' }
    await held(key, 'a')
    const hash = createHash('sha256').update(key.key).digest('hex')
    expect(await store.head(`idempotency/default/${hash}.json`)).toBeDefined()
  })

  it('stands for another batch for another tenant', async () => {
    const key = newKey()
    const ours = await held(key, 'a')
    const theirs = await held({ ...key, tenant: 'other' }, 'b')
    expect(theirs.batch).not.toBe(ours.batch)
  })

  it('stands for its batch once that is accepted, for a week', async () => {
    const key = newKey()
    const manifest = await accept(await held(key, 'a'))
    expect(await take(key, 'b')).toEqual({ kind: 'accepted', manifest })
    expect(await take(key, 'b', { nowMs: nowMs + keyKeptMs - 1 })).toEqual({ kind: 'accepted', manifest })
    const later = await take(key, 'b', { nowMs: nowMs + keyKeptMs })
    expect(later).toMatchObject({ kind: 'held', held: { first: true } })
    expect(later.kind === 'held' && later.held.batch).not.toBe(manifest.batch)
  })

  it('changes while its attempt lives, and is taken over with its batch from one that does not', async () => {
    const key = newKey()
    const first = await held(key, 'a')
    const refreshed = await refreshKey(store, key, first)
    expect(refreshed?.etag).not.toBe(first.etag)
    expect(await take(key, 'b', { deadEtag: first.etag })).toEqual({ kind: 'under_way', etag: refreshed?.etag })
    const second = await held(key, 'b', refreshed?.etag)
    expect(second).toMatchObject({ batch: first.batch, first: false })
    expect(await refreshKey(store, key, refreshed ?? first)).toBeUndefined()
    expect(await freeKey(store, key, refreshed ?? first, false)).toBe(false)
    expect(await take(key, 'c')).toMatchObject({ kind: 'under_way' })
  })

  it('finds its own write whose answer was lost', async () => {
    const key = newKey()
    const first = await held(key, 'a')
    await refreshKey(store, key, first)
    // Whoever holds it still knows it as it was before.
    const again = await refreshKey(store, key, first)
    expect(again).toBeDefined()
    expect(await freeKey(store, key, first, false)).toBe(true)
  })

  it('is free again after a refusal, for a batch of its own', async () => {
    const key = newKey()
    const first = await held(key, 'a')
    expect(await freeKey(store, key, first, false)).toBe(true)
    const second = await held(key, 'b')
    expect(second.first).toBe(true)
    expect(second.batch).not.toBe(first.batch)
  })

  it('keeps its batch where nobody can say whether that was accepted', async () => {
    const key = newKey()
    const first = await held(key, 'a')
    expect(await freeKey(store, key, first, true)).toBe(true)
    const second = await held(key, 'b')
    expect(second).toMatchObject({ batch: first.batch, first: false })
    await freeKey(store, key, second, true)
    const manifest = await accept(first)
    expect(await take(key, 'c')).toEqual({ kind: 'accepted', manifest })
  })

  it('lets go of a batch that was given up', async () => {
    const key = newKey()
    const first = await held(key, 'a')
    expect(await abandonBatch(store, first.batch)).toBe(true)
    const second = await held(key, 'b')
    expect(second).toMatchObject({ first: true })
    expect(second.batch).not.toBe(first.batch)
    await expect(accept(first)).rejects.toThrow('another writer was first')
  })

  it('is removed when its time is over, and not before', async () => {
    const own = openTestStore((await freshNames(import.meta.filename)).bucket)
    try {
      const takeOwn = (key: string) =>
        takeKey(
          own,
          { tenant: 'default', key },
          { attempt: key, newBatch: () => newBatchId(nowMs, Math.random), nowMs },
        )
      await takeOwn('a')
      await takeOwn('b')
      expect(await removeOldKeys(own, Date.now() + keyKeptMs)).toBe(0)
      expect(await removeOldKeys(own, Date.now() + keyKeptMs + 2 * 3600 * 1000)).toBe(2)
      expect((await own.list('')).keys).toEqual([])
      expect(await takeOwn('a')).toMatchObject({ kind: 'held' })
    } finally {
      own.close()
    }
  })
})

describe('an abandoned batch', () => {
  it('cannot be one that was accepted, and cannot be accepted', async () => {
    const accepted = await held(newKey(), 'a')
    await accept(accepted)
    expect(await abandonBatch(store, accepted.batch)).toBe(false)
    const open = await held(newKey(), 'b')
    expect(await abandonBatch(store, open.batch)).toBe(true)
    expect(await abandonBatch(store, open.batch)).toBe(true)
  })
})
