import type { BatchObject } from '../contract/batch-object.ts'
import { listingPath, listingPrefix } from './paths.ts'
import { StoreConflict, type Store } from './store.ts'

/** What lists show of a batch that was just accepted. Where one stands already it is newer, and stays. */
export async function writeListing(
  store: Store,
  tenant: string,
  batch: BatchObject,
  deadlineMs?: number,
): Promise<void> {
  try {
    await store.put(listingPath(tenant, batch.id), JSON.stringify(batch), {
      condition: 'absent',
      contentType: 'application/json',
      deadlineMs,
    })
  } catch (error) {
    if (!(error instanceof StoreConflict)) throw error
  }
}

/** What lists show of a batch from now on, whatever they showed before. */
export async function rewriteListing(store: Store, tenant: string, batch: BatchObject): Promise<void> {
  const path = listingPath(tenant, batch.id)
  for (;;) {
    const found = await store.head(path)
    try {
      await store.put(path, JSON.stringify(batch), {
        condition: found === undefined ? 'absent' : { etag: found.etag },
        contentType: 'application/json',
      })
      return
    } catch (error) {
      if (!(error instanceof StoreConflict)) throw error
    }
  }
}

/** True where the tenant has a batch of this id. */
export async function hasListing(store: Store, tenant: string, batch: string): Promise<boolean> {
  return (await store.head(listingPath(tenant, batch))) !== undefined
}

export interface Listing {
  batch: string
  read(): Promise<BatchObject | undefined>
}

/** A tenant's batches, newest first, behind `after`. */
export async function* listListings(store: Store, tenant: string, after?: string): AsyncIterable<Listing> {
  const prefix = listingPrefix(tenant)
  let from = after === undefined ? undefined : listingPath(tenant, after)
  for (;;) {
    const page = await store.list(prefix, from === undefined ? {} : { after: from })
    for (const key of page.keys) {
      const match = /-(batch_[0-9A-Z]{26})\.json$/.exec(key)
      if (match === null) continue
      yield {
        batch: match[1] as string,
        async read() {
          const found = await store.get(key)
          return found === undefined ? undefined : (JSON.parse(found.body.toString()) as BatchObject)
        },
      }
    }
    from = page.keys.at(-1)
    if (!page.more || from === undefined) return
  }
}
