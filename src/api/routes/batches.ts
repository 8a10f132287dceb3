import { listBatches } from '../../shared/batch/list.ts'
import { readBatchObject } from '../../shared/batch/view.ts'
import type { BatchObject } from '../../shared/contract/batch-object.ts'
import { isBatchId } from '../../shared/contract/ids.ts'
import { parseListQuery, parseNoQuery } from '../../shared/contract/paging.ts'
import { ApiProblem, invalidRequest } from '../../shared/contract/problem.ts'
import type { Parts } from '../../shared/parts/open.ts'
import type { Route } from '../route.ts'

export function getBatch(parts: Parts): Route {
  return {
    method: 'GET',
    path: '/v1/batches/:id',
    scope: 'read',
    async handle({ tenant, id, query }) {
      checkNoQuery(query)
      return { status: 200, body: await findBatch(parts, tenant, id) }
    },
  }
}

/** Throws the same 404 for an unknown id, another tenant's, and what is no id at all. */
export async function findBatch(parts: Parts, tenant: string, id: string): Promise<BatchObject> {
  const batch = isBatchId(id) ? await readBatchObject(parts, tenant, id) : undefined
  if (batch === undefined) throw unknownBatch()
  return batch
}

export function unknownBatch(): ApiProblem {
  return new ApiProblem({ problem: 'not_found', detail: 'There is no batch of this id.' })
}

export function getBatches(parts: Parts): Route {
  return {
    method: 'GET',
    path: '/v1/batches',
    scope: 'read',
    async handle({ tenant, query }) {
      const parsed = parseListQuery(query)
      if ('faults' in parsed) throw invalidRequest(parsed.faults)
      const { after } = parsed.query
      const page =
        after === undefined || isBatchId(after) ? await listBatches(parts, tenant, parsed.query) : 'unknown_after'
      if (page === 'unknown_after') {
        throw new ApiProblem({ problem: 'not_found', param: 'after', detail: 'There is no batch of the id in after.' })
      }
      const { data, has_more } = page
      const body = { object: 'list', data, first_id: data[0]?.id ?? null, last_id: data.at(-1)?.id ?? null, has_more }
      return { status: 200, body }
    },
  }
}

export function checkNoQuery(query: URLSearchParams): void {
  const parsed = parseNoQuery(query)
  if ('faults' in parsed) throw invalidRequest(parsed.faults)
}
