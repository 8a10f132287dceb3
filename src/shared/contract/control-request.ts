import { z } from 'zod'
import { errorCodes } from '../failures/failure.ts'
import { faultsOf, type Fault } from './fault.ts'
import { fields, metadata } from './json-object.ts'
import { spokenText } from './text.ts'
import { usdAmount } from './usd.ts'

/** Bodies of what people say of a batch that was accepted. */

const nothing = fields({})

/** Where no field is known. */
export function parseNoFields(body: unknown): { request: object } | { faults: Fault[] } {
  return parseBody(nothing, body)
}

const change = fields({
  name: spokenText(200).optional(),
  metadata: metadata.optional(),
  budget_usd: usdAmount.optional(),
})

/** Reads the body of `PATCH /v1/batches/{id}`. */
export function parseChange(body: unknown): { request: z.output<typeof change> } | { faults: Fault[] } {
  return parseBody(change, body)
}

const retry = fields({ codes: z.array(z.enum(errorCodes)).min(1).max(64).optional() })

/** Reads the body of `POST /v1/batches/{id}/retry`. */
export function parseRetry(body: unknown): { request: z.output<typeof retry> } | { faults: Fault[] } {
  return parseBody(retry, body)
}

function parseBody<Request>(schema: z.ZodType<Request>, body: unknown): { request: Request } | { faults: Fault[] } {
  const parsed = schema.safeParse(body)
  return parsed.success ? { request: parsed.data } : { faults: faultsOf(parsed.error, body) }
}
