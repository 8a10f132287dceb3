/** An error answer of the simulated service. Thrown where a check does not hold; `generations.ts` sends it. */
export class Refusal extends Error {
  readonly status: number
  readonly code: string
  readonly type: string
  readonly param: string | undefined

  constructor(status: number, code: string, message: string, param?: string) {
    super(message)
    this.name = 'Refusal'
    this.status = status
    this.code = code
    this.type = types[status] ?? (status >= 500 ? 'server_error' : 'invalid_request_error')
    this.param = param
  }
}

const types: Readonly<Record<number, string>> = {
  401: 'authentication_error',
  402: 'billing_error',
  403: 'permission_error',
  429: 'rate_limit_error',
}

/** Shapes of error bodies: Runcrate's own, and those of the services behind it, which may shine through. */
export const errorShapes = ['error', 'string_body', 'message_body', 'detail_body', 'no_body'] as const
export type ErrorShape = (typeof errorShapes)[number]

/** The body of an error; undefined: none at all. */
export function errorBody(refusal: Refusal, shape: ErrorShape): object | undefined {
  const { message, type, code, param } = refusal
  if (shape === 'string_body') return { error: message }
  if (shape === 'message_body') return { message, code }
  if (shape === 'detail_body') return { detail: message }
  if (shape === 'no_body') return undefined
  return { error: { message, type, code, ...(param === undefined ? {} : { param }) } }
}

export const unauthorized = () => new Refusal(401, 'invalid_api_key', 'Invalid API key provided.')
export const forbidden = () => new Refusal(403, 'forbidden', 'This API key may not use this resource.')
export const insufficientCredits = () =>
  new Refusal(402, 'insufficient_credits', 'Insufficient credits. Add credits to continue.')
export const rateLimited = () =>
  new Refusal(429, 'rate_limited', 'Rate limit exceeded. Please wait before making more requests.')
export const moderatedInput = () =>
  new Refusal(400, 'content_policy_violation', 'Your prompt was rejected by our content policy.', 'prompt')
export const notFound = (what: string) => new Refusal(404, 'not_found', `No such resource: ${what}`)
