import { readResults } from '../../shared/batch/results.ts'
import { endStatuses, type BatchObject } from '../../shared/contract/batch-object.ts'
import { parseItemId } from '../../shared/contract/ids.ts'
import { parseResultsQuery } from '../../shared/contract/paging.ts'
import { ApiProblem, invalidRequest } from '../../shared/contract/problem.ts'
import type { ResultLine } from '../../shared/contract/result.ts'
import { readManifest } from '../../shared/ledger/manifest.ts'
import type { Parts } from '../../shared/parts/open.ts'
import type { Route } from '../route.ts'
import { findBatch } from './batches.ts'

/** A line an item, in input order; of a batch that runs, those settled so far. */
export function getResults(parts: Parts): Route {
  return {
    method: 'GET',
    path: '/v1/batches/:id/results',
    scope: 'read',
    async handle({ tenant, id, query }) {
      const parsed = parseResultsQuery(query)
      if ('faults' in parsed) throw invalidRequest(parsed.faults)
      const batch = await findBatch(parts, tenant, id)
      const ended = endStatuses.includes(batch.status)
      const fromIndex = firstIndex(batch, ended, parsed.query.after)
      const manifest = await readManifest(parts.store, id)
      if (manifest === undefined) throw new Error(`the manifest of ${id} was there a moment ago`)
      return { status: 200, body: asText(readResults(parts, manifest, { fromIndex, live: !ended })) }
    },
  }
}

function firstIndex(batch: BatchObject, ended: boolean, after: string | undefined): number {
  if (after === undefined) return 0
  if (!ended) {
    throw new ApiProblem({
      problem: 'conflict',
      code: 'not_ended',
      param: 'after',
      detail: 'This batch has not ended: items before that one may settle later. Read it whole, or wait.',
    })
  }
  const item = parseItemId(after)
  if (item?.batch !== batch.id || item.index >= batch.request_counts.total) {
    throw new ApiProblem({ problem: 'not_found', param: 'after', detail: 'This batch has no item of the id in after.' })
  }
  return item.index + 1
}

async function* asText(lines: AsyncIterable<ResultLine>): AsyncGenerator<string> {
  for await (const line of lines) yield `${JSON.stringify(line)}\n`
}
