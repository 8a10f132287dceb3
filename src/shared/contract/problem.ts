import type { Fault, ItemFault } from './fault.ts'

interface ProblemRow {
  readonly status: number
  readonly title: string
}

/** Every way in which the API refuses or fails (docs/api.md, "Errors"). */
const problems = {
  invalid_json: { status: 400, title: 'The body is not JSON' },
  bad_request: { status: 400, title: 'The request cannot be read' },
  unauthorized: { status: 401, title: 'No valid API key' },
  forbidden: { status: 403, title: 'This key may not do that' },
  not_found: { status: 404, title: 'Not found' },
  method_not_allowed: { status: 405, title: 'Method not allowed' },
  timeout: { status: 408, title: 'The request came too slowly' },
  conflict: { status: 409, title: 'Not in this state' },
  too_large: { status: 413, title: 'The body is too large' },
  unsupported_media_type: { status: 415, title: 'Content type not accepted' },
  invalid_request: { status: 422, title: 'The request is readable but wrong' },
  rate_limited: { status: 429, title: 'Too many requests' },
  headers_too_large: { status: 431, title: 'The headers are too large' },
  internal_error: { status: 500, title: 'Something went wrong here' },
  unavailable: { status: 503, title: 'Not available at the moment' },
} satisfies Record<string, ProblemRow>

export type ProblemName = keyof typeof problems

interface ProblemDetails {
  readonly problem: ProblemName
  /** One sentence for whoever called: no secrets, nothing internal. */
  readonly detail: string
  /** What a program branches on; the problem's own name where it says all there is. */
  readonly code?: string | undefined
  readonly param?: string | undefined
  readonly faults?: readonly (Fault | ItemFault)[] | undefined
  readonly retryAfterS?: number | undefined
  /** For 405. */
  readonly allow?: readonly string[] | undefined
  readonly cause?: unknown
}

/** Thrown anywhere in a request; `api/problem.ts` makes the answer of it. */
export class ApiProblem extends Error {
  readonly problem: ProblemName
  readonly status: number
  readonly title: string
  readonly code: string
  readonly param: string | undefined
  readonly faults: readonly (Fault | ItemFault)[]
  readonly retryAfterS: number | undefined
  readonly allow: readonly string[] | undefined

  constructor(details: ProblemDetails) {
    super(details.detail, { cause: details.cause })
    this.name = 'ApiProblem'
    const { status, title } = problems[details.problem]
    this.problem = details.problem
    this.status = status
    this.title = title
    this.code = details.code ?? details.problem
    this.param = details.param
    this.faults = details.faults ?? []
    this.retryAfterS = details.retryAfterS
    this.allow = details.allow
  }
}

/** Most faults that one answer lists. */
export const faultsMax = 100

/**
 * 422 for what is wrong in the request's fields. The first fault gives the sentence and, unless it is an item's, the
 * code; `total` counts also those that are not in `faults`.
 */
export function invalidRequest(faults: readonly (Fault | ItemFault)[], total = faults.length): ApiProblem {
  const first = faults[0]
  if (first === undefined) throw new Error('a request without a fault is not invalid')
  const param = 'index' in first ? itemParam(first) : first.param
  const more = total > 1 ? ` (and ${String(total - 1)} more ${total > 2 ? 'faults' : 'fault'})` : ''
  return new ApiProblem({
    problem: 'invalid_request',
    detail: `${param === '' ? 'The body' : param} ${first.message}${more}`,
    code: 'index' in first && first.code !== 'unsupported' ? 'invalid_item' : first.code,
    param,
    faults: faults.slice(0, faultsMax),
  })
}

function itemParam(fault: ItemFault): string {
  const item = `items[${String(fault.index)}]`
  return fault.param === '' ? item : `${item}.${fault.param}`
}
