import { endStatuses, type BatchObject } from '../contract/batch-object.ts'
import { hasListing, listListings, type Listing } from '../ledger/listing.ts'
import { readBatchObject, type ViewParts } from './view.ts'

export interface ListRequest {
  /** The last id that the caller has seen. */
  readonly after?: string | undefined
  readonly limit: number
  readonly status?: string | undefined
  /** Pairs that a batch's metadata must hold. */
  readonly metadata?: Readonly<Record<string, string>> | undefined
}

/** So many batches are looked at for one page, however few match: a filter must not read a whole year. */
const scannedMax = 2000
const readAtOnce = 20

/** A tenant's batches, newest first. `unknown_after`: there is no such batch to go on behind. */
export async function listBatches(
  parts: ViewParts,
  tenant: string,
  request: ListRequest,
): Promise<{ data: BatchObject[]; has_more: boolean } | 'unknown_after'> {
  const { after, limit } = request
  if (after !== undefined && !(await hasListing(parts.store, tenant, after))) return 'unknown_after'
  const data: BatchObject[] = []
  let scanned = 0
  let waiting: Listing[] = []
  const take = async (): Promise<void> => {
    const batches = await Promise.all(waiting.map((listing) => readListed(parts, tenant, listing)))
    for (const batch of batches) if (batch !== undefined && matches(batch, request)) data.push(batch)
    waiting = []
  }
  for await (const listing of listListings(parts.store, tenant, after)) {
    waiting.push(listing)
    scanned += 1
    // One more than asked for says whether there are more.
    if (waiting.length >= Math.min(readAtOnce, limit + 1 - data.length)) await take()
    if (data.length > limit || scanned >= scannedMax) break
  }
  await take()
  return { data: data.slice(0, limit), has_more: data.length > limit || scanned >= scannedMax }
}

/** What the list holds of an ended batch is final; a live one is asked for. */
async function readListed(parts: ViewParts, tenant: string, listing: Listing): Promise<BatchObject | undefined> {
  const listed = await listing.read()
  if (listed === undefined || endStatuses.includes(listed.status)) return listed
  return await readBatchObject(parts, tenant, listing.batch)
}

function matches(batch: BatchObject, { status, metadata = {} }: ListRequest): boolean {
  if (status !== undefined && batch.status !== status) return false
  return Object.entries(metadata).every(([key, value]) => batch.metadata[key] === value)
}
