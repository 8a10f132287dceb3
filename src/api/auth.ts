import { createHash, timingSafeEqual } from 'node:crypto'
import type { Config } from '../shared/config/config.ts'
import { ApiProblem } from '../shared/contract/problem.ts'

export type Scope = 'submit' | 'read' | 'webhooks' | 'admin'

/** Who calls: the tenant of the key, and what the key may do. */
export interface Caller {
  readonly tenant: string
  readonly scopes: readonly Scope[]
}

/**
 * Who an `Authorization` header says that it is. Throws `ApiProblem`: 401 where it is none of our keys, 403 where the
 * key lacks the scope. Hashes are compared, so that neither the key's length nor its beginning can be felt out.
 */
export function authenticate(config: Pick<Config, 'apiKey'>, header: string | undefined, scope: Scope): Caller {
  const key = /^Bearer +([\x21-\x7e]+) *$/i.exec(header ?? '')?.[1]
  if (key === undefined) throw unauthorized('Send the API key as: Authorization: Bearer KEY')
  if (config.apiKey === '' || !timingSafeEqual(hashOf(key), hashOf(config.apiKey))) {
    throw unauthorized('This API key is not known here.')
  }
  const caller: Caller = { tenant: 'default', scopes: ['submit', 'read', 'webhooks', 'admin'] }
  if (!caller.scopes.includes(scope)) {
    throw new ApiProblem({ problem: 'forbidden', detail: `This API key lacks the scope ${scope}.` })
  }
  return caller
}

function unauthorized(detail: string): ApiProblem {
  return new ApiProblem({ problem: 'unauthorized', detail })
}

function hashOf(key: string): Buffer {
  return createHash('sha256').update(key).digest()
}
