import { createHash } from 'node:crypto'
import { readCommit, type Manifest } from './manifest.ts'
import { idempotencyPath, idempotencyPrefix } from './paths.ts'
import { StoreConflict, type Store } from './store.ts'

/** An `Idempotency-Key` of a tenant. */
export interface IdempotencyKey {
  readonly tenant: string
  readonly key: string
}

/** What the ledger keeps of a key. */
interface KeyRecord {
  v: 1
  /** The batch that the key stands for: of attempts that may both commit, only one can. Null: the next one makes its own. */
  batch: string | null
  /** The attempt under way; null: free. */
  attempt: string | null
  /** Counts up while the attempt lives, so that its object changes. */
  beat: number
}

/** A key that an attempt holds. */
export interface HeldKey {
  readonly batch: string
  readonly attempt: string
  /** No other attempt has ever had this batch id. */
  readonly first: boolean
  /** Of the object as it was last written. */
  readonly etag: string
  readonly beat: number
}

export type TakenKey =
  | { readonly kind: 'held'; readonly held: HeldKey }
  /** Its batch was accepted. */
  | { readonly kind: 'accepted'; readonly manifest: Manifest }
  /** Another attempt is under way, or died: its object no longer changes then. */
  | { readonly kind: 'under_way'; readonly etag: string }

/** An answer is kept for so long. */
export const keyKeptMs = 7 * 24 * 3600 * 1000

export interface TakeKey {
  /** Of the new attempt. */
  readonly attempt: string
  readonly newBatch: () => string
  readonly nowMs: number
  /** The object of an attempt that is taken for dead, if there is one. */
  readonly deadEtag?: string | undefined
}

/**
 * Takes a key for an attempt. Writes are conditional: of attempts that try at once, over any number of processes, one
 * gets it. Whoever takes over from one that died gets the same batch id, so that the manifest's create decides between
 * the two.
 */
export async function takeKey(store: Store, key: IdempotencyKey, take: TakeKey): Promise<TakenKey> {
  const path = pathOf(key)
  for (;;) {
    const found = await store.get(path)
    const record = found === undefined ? undefined : (JSON.parse(found.body.toString()) as KeyRecord)
    const known = record?.batch ?? null
    const commit = known === null ? undefined : await readCommit(store, known)
    const kept = commit === undefined || commit === 'abandoned' ? undefined : commit
    if (kept !== undefined && take.nowMs - kept.created_at_ms < keyKeptMs) return { kind: 'accepted', manifest: kept }
    if (found !== undefined && commit === undefined && record?.attempt !== null && found.etag !== take.deadEtag) {
      return { kind: 'under_way', etag: found.etag }
    }
    // The batch of an answer that is too old, or of an upload that was given up, is nobody's to make again.
    const batch = commit === undefined ? known : null
    const held = { batch: batch ?? take.newBatch(), attempt: take.attempt, first: batch === null }
    try {
      const beat = 1 + (record?.beat ?? 0)
      const etag = await write(store, path, { v: 1, batch: held.batch, attempt: held.attempt, beat }, found?.etag)
      return { kind: 'held', held: { ...held, etag, beat } }
    } catch (error) {
      if (!(error instanceof StoreConflict)) throw error
    }
  }
}

/** Shows that the attempt lives. Undefined: another has taken the key over. */
export async function refreshKey(store: Store, key: IdempotencyKey, held: HeldKey): Promise<HeldKey | undefined> {
  return await rewrite(store, key, held, { batch: held.batch, attempt: held.attempt })
}

/**
 * Frees a key. `keepBatch`: nobody can say whether the batch was accepted, so the next attempt gets its id too. Gives
 * false where another attempt has taken the key over.
 */
export async function freeKey(store: Store, key: IdempotencyKey, held: HeldKey, keepBatch: boolean): Promise<boolean> {
  const batch = keepBatch ? held.batch : null
  return (await rewrite(store, key, held, { batch, attempt: null })) !== undefined
}

/** So much older than it need be is a key before it is removed: clocks differ. */
const keyMarginMs = 3600 * 1000

/** Removes the keys whose time is over; gives how many. A key that is just being used again is left alone. */
export async function removeOldKeys(store: Store, nowMs: number): Promise<number> {
  let removed = 0
  let after: string | undefined
  for (;;) {
    const page = await store.list(idempotencyPrefix, after === undefined ? {} : { after })
    for (const [at, path] of page.keys.entries()) {
      const old = nowMs - (page.modifiedMs[at] ?? nowMs) > keyKeptMs + keyMarginMs
      if (old && (await removeKey(store, path))) removed += 1
    }
    after = page.keys.at(-1)
    if (!page.more || after === undefined) return removed
  }
}

/** Takes it as an attempt would, so that whoever uses it again waits for it to be gone, then takes it away. */
async function removeKey(store: Store, path: string): Promise<boolean> {
  const found = await store.get(path)
  if (found === undefined) return false
  const { beat } = JSON.parse(found.body.toString()) as KeyRecord
  try {
    await write(store, path, { v: 1, batch: null, attempt: 'removal', beat: beat + 1 }, found.etag)
  } catch (error) {
    if (error instanceof StoreConflict) return false
    throw error
  }
  await store.remove(path)
  return true
}

async function rewrite(
  store: Store,
  key: IdempotencyKey,
  held: HeldKey,
  change: Pick<KeyRecord, 'batch' | 'attempt'>,
): Promise<HeldKey | undefined> {
  const path = pathOf(key)
  let { etag } = held
  const beat = held.beat + 1
  for (;;) {
    try {
      return { ...held, etag: await write(store, path, { v: 1, ...change, beat }, etag), beat }
    } catch (error) {
      if (!(error instanceof StoreConflict)) throw error
    }
    // An earlier write of ours may have happened and its answer been lost.
    const found = await store.get(path)
    if (found === undefined) return undefined
    if ((JSON.parse(found.body.toString()) as KeyRecord).attempt !== held.attempt) return undefined
    etag = found.etag
  }
}

async function write(store: Store, path: string, record: KeyRecord, etag: string | undefined): Promise<string> {
  const written = await store.put(path, JSON.stringify(record), {
    condition: etag === undefined ? 'absent' : { etag },
    contentType: 'application/json',
  })
  return written.etag
}

function pathOf({ tenant, key }: IdempotencyKey): string {
  return idempotencyPath(tenant, createHash('sha256').update(key).digest('hex'))
}
