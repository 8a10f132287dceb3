import { createHash } from 'node:crypto'
import { listBatches } from '../../shared/batch/list.ts'
import { readBatchObject } from '../../shared/batch/view.ts'
import type { BatchObject } from '../../shared/contract/batch-object.ts'
import { parseBatchRequest } from '../../shared/contract/batch-request.ts'
import { isBatchId } from '../../shared/contract/ids.ts'
import { parseListQuery, parseNoQuery } from '../../shared/contract/paging.ts'
import { ApiProblem, invalidRequest } from '../../shared/contract/problem.ts'
import { acceptBatch } from '../../shared/intake/accept.ts'
import type { Parts } from '../../shared/parts/open.ts'
import { within } from '../../shared/process/deadline.ts'
import { readJsonBody, type BodyLimits } from '../body.ts'
import type { Route } from '../route.ts'

/** How long a Redis may take to say that it is there, before a whole upload is read for nothing. */
const pingDeadlineMs = 1_000

export function submitBatch(parts: Parts, limits: BodyLimits): Route {
  return {
    method: 'POST',
    path: '/v1/batches',
    scope: 'submit',
    async handle({ tenant, request, query }) {
      refuseIdempotencyKey(request.headers['idempotency-key'])
      checkNoQuery(query)
      await within(parts.clock, pingDeadlineMs, parts.redis.ping())
      const body = await readJsonBody(request, parts.clock, limits)
      const parsed = parseBatchRequest(body.value)
      if ('faults' in parsed) throw invalidRequest(parsed.faults)
      const bodyHash = createHash('sha256').update('application/json\n\n').update(body.bytes).digest('hex')
      const { batch, answer } = await acceptBatch(parts, { tenant, request: parsed.request, bodyHash })
      return { status: 202, headers: { location: `/v1/batches/${batch}` }, body: answer }
    },
  }
}

/** Not built yet. To ignore it would be to pay twice for what is sent again. */
function refuseIdempotencyKey(header: string | string[] | undefined): void {
  if (header === undefined) return
  throw invalidRequest([{ param: 'Idempotency-Key', code: 'unsupported', message: 'is not supported yet' }])
}

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
  if (batch === undefined) throw new ApiProblem({ problem: 'not_found', detail: 'There is no batch of this id.' })
  return batch
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

function checkNoQuery(query: URLSearchParams): void {
  const parsed = parseNoQuery(query)
  if ('faults' in parsed) throw invalidRequest(parsed.faults)
}
