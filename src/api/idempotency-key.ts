import type { IncomingMessage } from 'node:http'
import { ApiProblem } from '../shared/contract/problem.ts'

/** The `Idempotency-Key` of a request, if it has one. Throws `ApiProblem` 400 for what cannot be one. */
export function idempotencyKey({ headers }: IncomingMessage): string | undefined {
  const header = headers['idempotency-key']
  if (header === undefined) return undefined
  const key = Array.isArray(header) ? header.join(', ') : header
  if (/^[\x20-\x7e]{1,255}$/.test(key)) return key
  throw new ApiProblem({
    problem: 'bad_request',
    param: 'Idempotency-Key',
    detail: 'An Idempotency-Key has 1 to 255 printable ASCII characters.',
  })
}
