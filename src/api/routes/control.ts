import type { Request } from 'express'
import { cancelBatch, changeBatch, pauseBatch, resumeBatch, retryBatch, type Said } from '../../shared/batch/say.ts'
import { parseChange, parseNoFields, parseRetry } from '../../shared/contract/control-request.ts'
import type { Fault } from '../../shared/contract/fault.ts'
import { isBatchId } from '../../shared/contract/ids.ts'
import { ApiProblem, invalidRequest } from '../../shared/contract/problem.ts'
import { parseUsd } from '../../shared/money/usd.ts'
import type { Parts } from '../../shared/parts/open.ts'
import { readJsonBody } from '../body.ts'
import type { Answer, Call, Route } from '../route.ts'
import { checkNoQuery, findBatch, unknownBatch } from './batches.ts'

/** What people say of a batch that was accepted. Each is answered with the batch as it is afterwards. */

/** Metadata at its limits, three times over. */
const bodyBytesMax = 128 * 1024
const idleMs = 30_000

export function postCancel(parts: Parts): Route {
  return verb(parts, 'cancel', cancelBatch)
}

export function postPause(parts: Parts): Route {
  return verb(parts, 'pause', pauseBatch)
}

export function postResume(parts: Parts): Route {
  return verb(parts, 'resume', resumeBatch)
}

function verb(parts: Parts, name: string, say: typeof pauseBatch): Route {
  return {
    method: 'POST',
    path: `/v1/batches/:id/${name}`,
    scope: 'submit',
    async handle(call) {
      await readBody(parts, call, parseNoFields)
      return await answer(parts, call, await say(parts, call.tenant, call.id))
    },
  }
}

export function postRetry(parts: Parts): Route {
  return {
    method: 'POST',
    path: '/v1/batches/:id/retry',
    scope: 'submit',
    async handle(call) {
      if (call.request.headers['idempotency-key'] !== undefined) throw keyOfRetry()
      const { codes } = await readBody(parts, call, parseRetry)
      return await answer(parts, call, await retryBatch(parts, call.tenant, call.id, codes))
    },
  }
}

/** Sent again it would start another round once the first has ended: nothing keeps the first answer. */
function keyOfRetry(): ApiProblem {
  return invalidRequest([{ param: 'Idempotency-Key', code: 'unsupported', message: 'is not supported for a retry' }])
}

export function patchBatch(parts: Parts): Route {
  return {
    method: 'PATCH',
    path: '/v1/batches/:id',
    scope: 'submit',
    async handle(call) {
      const { name, metadata, budget_usd } = await readBody(parts, call, parseChange, { mayBeEmpty: false })
      const budgetNano = budget_usd === undefined ? undefined : parseUsd(budget_usd)
      return await answer(parts, call, await changeBatch(parts, call.tenant, call.id, { name, metadata, budgetNano }))
    },
  }
}

async function readBody<Fields>(
  parts: Parts,
  { id, query, request }: Call,
  parse: (body: unknown) => { request: Fields } | { faults: Fault[] },
  { mayBeEmpty } = { mayBeEmpty: true },
): Promise<Fields> {
  checkNoQuery(query)
  const empty = mayBeEmpty && !hasBody(request)
  const body = empty ? {} : await readJsonBody(request, parts.clock, { bytesMax: bodyBytesMax, idleMs })
  const parsed = parse(body)
  if ('faults' in parsed) throw invalidRequest(parsed.faults)
  if (!isBatchId(id)) throw unknownBatch()
  return parsed.request
}

function hasBody({ headers }: Request): boolean {
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0
}

async function answer(parts: Parts, { tenant, id }: Call, said: Said): Promise<Answer> {
  switch (said.kind) {
    case 'unknown':
      throw unknownBatch()
    case 'conflict':
      throw new ApiProblem({ problem: 'conflict', detail: `The batch ${said.why}.` })
    case 'unpriced': {
      const message = `cannot be held: the price of ${said.model} is not known`
      throw invalidRequest([{ param: 'budget_usd', code: 'unsupported', message }])
    }
    case 'said': {
      const batch = await findBatch(parts, tenant, id)
      return { status: 200, body: said.retried === undefined ? batch : { ...batch, retried: said.retried } }
    }
  }
}
