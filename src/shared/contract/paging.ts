import { z } from 'zod'
import { errorCodes } from '../failures/failure.ts'
import type { BatchStatus } from './batch-object.ts'
import { asFault, faultsOf, type Fault } from './fault.ts'
import { fields, metadata } from './json-object.ts'
import { itemStatuses } from './result.ts'

const statuses = [
  'validating',
  'in_progress',
  'finalizing',
  'completed',
  'failed',
  'expired',
  'cancelling',
  'cancelled',
] as const satisfies readonly BatchStatus[]

/** How many a list gives; from the query string, so a text. */
function limit(max: number) {
  return z
    .string()
    .refine((text) => /^-?[0-9]{1,9}$/.test(text), asFault('invalid_type', 'must be a whole number'))
    .transform(Number)
    .pipe(z.number().min(1).max(max))
}

const listQuery = fields({
  after: z.string().optional(),
  limit: limit(100).default(20),
  status: z.enum(statuses).optional(),
  metadata: metadata.optional(),
})
export type ListQuery = z.output<typeof listQuery>

/** Reads the query of a list of batches. */
export function parseListQuery(query: URLSearchParams): { query: ListQuery } | { faults: Fault[] } {
  return parseQuery(listQuery, query)
}

const resultsQuery = fields({ after: z.string().optional() })

/** Reads the query of a batch's results. */
export function parseResultsQuery(
  query: URLSearchParams,
): { query: z.output<typeof resultsQuery> } | { faults: Fault[] } {
  return parseQuery(resultsQuery, query)
}

const itemsQuery = fields({
  after: z.string().optional(),
  limit: limit(1000).default(100),
  status: z.enum(itemStatuses).optional(),
  code: z.enum(errorCodes).optional(),
  custom_id: z.string().optional(),
})

/** Reads the query of a list of a batch's items. */
export function parseItemsQuery(query: URLSearchParams): { query: z.output<typeof itemsQuery> } | { faults: Fault[] } {
  return parseQuery(itemsQuery, query)
}

const noQuery = fields({})

/** Where no query parameter is known. */
export function parseNoQuery(query: URLSearchParams): { query: object } | { faults: Fault[] } {
  return parseQuery(noQuery, query)
}

function parseQuery<Query>(schema: z.ZodType<Query>, params: URLSearchParams): { query: Query } | { faults: Fault[] } {
  const { object, twice } = objectOf(params)
  const parsed = schema.safeParse(object)
  const faults = [...twice, ...(parsed.success ? [] : faultsOf(parsed.error, object))]
  return parsed.success && faults.length === 0 ? { query: parsed.data } : { faults }
}

/** `metadata[k]=v` becomes an entry of `metadata`; what is given twice says two things at once. */
function objectOf(params: URLSearchParams): { object: Record<string, unknown>; twice: Fault[] } {
  const plain = new Map<string, string>()
  const labels = new Map<string, string>()
  const twice: Fault[] = []
  for (const [name, value] of params) {
    const label = /^metadata\[(.*)\]$/s.exec(name)?.[1]
    const place = label === undefined ? plain : labels
    if (place.has(label ?? name))
      twice.push({ param: name.slice(0, 128), code: 'invalid_format', message: 'is given twice' })
    place.set(label ?? name, value)
  }
  // fromEntries defines keys, so that one named __proto__ is a key and not a prototype.
  const object: Record<string, unknown> = Object.fromEntries(plain)
  if (labels.size > 0) object['metadata'] = Object.fromEntries(labels)
  return { object, twice }
}
