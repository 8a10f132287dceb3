import { readItems } from '../../shared/batch/items.ts'
import { isBatchId, itemId, parseItemId } from '../../shared/contract/ids.ts'
import { parseItemsQuery } from '../../shared/contract/paging.ts'
import { ApiProblem, invalidRequest } from '../../shared/contract/problem.ts'
import { readManifest, type Manifest } from '../../shared/ledger/manifest.ts'
import type { Parts } from '../../shared/parts/open.ts'
import type { Route } from '../route.ts'
import { unknownBatch } from './batches.ts'

/** The items of a batch as they stand now, in input order. */
export function getItems(parts: Parts): Route {
  return {
    method: 'GET',
    path: '/v1/batches/:id/items',
    scope: 'read',
    async handle({ tenant, id, query }) {
      const parsed = parseItemsQuery(query)
      if ('faults' in parsed) throw invalidRequest(parsed.faults)
      const manifest = isBatchId(id) ? await readManifest(parts.store, id) : undefined
      if (manifest?.tenant !== tenant) throw unknownBatch()
      const { after, limit, ...filter } = parsed.query
      const page = await readItems(parts, manifest, { fromIndex: indexBehind(manifest, after), limit, filter })
      const { data, goOnBehind } = page
      const body = {
        object: 'list',
        data,
        first_id: data[0]?.id ?? null,
        // A filter may have looked further than it found: the next page begins there.
        last_id: goOnBehind === undefined ? (data.at(-1)?.id ?? null) : itemId(id, goOnBehind),
        has_more: goOnBehind !== undefined,
      }
      return { status: 200, body }
    },
  }
}

function indexBehind(manifest: Manifest, after: string | undefined): number {
  if (after === undefined) return 0
  const item = parseItemId(after)
  if (item?.batch !== manifest.batch || item.index >= manifest.total) {
    throw new ApiProblem({ problem: 'not_found', param: 'after', detail: 'This batch has no item of the id in after.' })
  }
  return item.index + 1
}
