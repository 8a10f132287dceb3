import { parseBatchOptions, type BatchOptions } from './batch-request.ts'
import type { Fault } from './fault.ts'

/** Options whose value is a text, and may stand in the query as it is. */
const texts = ['name', 'template', 'priority', 'completion_window', 'budget_usd', 'on_invalid']

/**
 * Reads the options of an NDJSON or CSV upload: those that are a text, a number or a boolean by name, all others as JSON
 * in `options`.
 */
export function parseUploadQuery(query: URLSearchParams): { options: BatchOptions } | { faults: Fault[] } {
  const faults: Fault[] = []
  const given = new Map<string, unknown>()
  const add = (name: string, value: unknown): void => {
    if (given.has(name)) faults.push({ param: name.slice(0, 128), code: 'invalid_format', message: 'is given twice' })
    given.set(name, value)
  }
  for (const [name, value] of query) {
    if (name === 'options') for (const [inner, option] of optionEntries(value, faults)) add(inner, option)
    else add(name, texts.includes(name) ? value : plainValue(value))
  }
  if (faults.length > 0) return { faults }
  // fromEntries defines keys, so that one named __proto__ is a key and not a prototype.
  return parseBatchOptions(Object.fromEntries(given))
}

function optionEntries(text: string, faults: Fault[]): [string, unknown][] {
  let value: unknown
  try {
    value = JSON.parse(text) as unknown
  } catch {
    faults.push({ param: 'options', code: 'invalid_json', message: 'is not JSON' })
    return []
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return Object.entries(value)
  faults.push({ param: 'options', code: 'invalid_type', message: 'must be an object' })
  return []
}

/** A number or a boolean where it reads like one. */
function plainValue(text: string): unknown {
  if (text === 'true' || text === 'false') return text === 'true'
  return /^-?[0-9]{1,15}$/.test(text) ? Number(text) : text
}
