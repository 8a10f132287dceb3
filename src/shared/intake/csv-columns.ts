import type { Fault } from '../contract/fault.ts'
import { itemFieldNames } from '../contract/item.ts'
import { invalidRequest } from '../contract/problem.ts'

export interface Columns {
  /** What a row says, as a JSON item would say it. */
  itemOf(record: readonly string[]): { raw: Record<string, unknown>; fault?: Fault | undefined }
}

/** Fields of an item that are objects of the caller's own names. */
const maps = ['fields', 'metadata'] as const
type MapName = (typeof maps)[number]

/** Where the cells of a column go. */
type Place =
  | { readonly kind: 'item'; readonly name: string }
  | { readonly kind: MapName; readonly name: string }
  | { readonly kind: 'unnamed'; readonly name: string }

const numbers = new Set(['width', 'height', 'seed', 'num_inference_steps', 'guidance', 'n', 'prompt_strength'])

/**
 * Reads a header. A column named as a field of an item is that field; `metadata.x` is an entry of the metadata;
 * `fields.x`, and every other column, is a field for the templates. Throws `ApiProblem` where two columns are the same.
 */
export function readHeader(record: readonly string[]): Columns {
  const places = record.map((cell, at) => placeOf(cell.trim(), at))
  const faults: Fault[] = []
  const seen = new Set<string>()
  for (const { kind, name } of places) {
    const key = JSON.stringify([kind, name])
    if (seen.has(key)) faults.push({ param: name, code: 'invalid_format', message: 'is the header of two columns' })
    seen.add(key)
  }
  if (faults.length > 0) throw invalidRequest(faults)
  return { itemOf: (row) => itemOf(places, row) }
}

function placeOf(header: string, at: number): Place {
  if (header === '') return { kind: 'unnamed', name: `column ${String(at + 1)}` }
  if (itemFieldNames.includes(header)) return { kind: 'item', name: header }
  const kind = maps.find((map) => header.startsWith(`${map}.`) && header.length > map.length + 1)
  if (kind === undefined) return { kind: 'fields', name: header }
  return { kind, name: header.slice(kind.length + 1) }
}

function itemOf(
  places: readonly Place[],
  record: readonly string[],
): { raw: Record<string, unknown>; fault?: Fault | undefined } {
  const item: [string, unknown][] = []
  const entries: Record<MapName, [string, unknown][]> = { fields: [], metadata: [] }
  let fault = lengthFault(places.length, record.length)
  for (const [at, { kind, name }] of places.entries()) {
    const cell = record[at] ?? ''
    if (cell === '') continue
    if (kind === 'item') item.push([name, valueOf(name, cell)])
    else if (kind !== 'unnamed') entries[kind].push([name, cell])
    else fault ??= { param: name, code: 'unknown_field', message: 'has a value and no name in the header' }
  }
  for (const map of maps) {
    if (entries[map].length > 0) item.push([map, Object.fromEntries(entries[map])])
  }
  // fromEntries defines keys, so that one named __proto__ is a key and not a prototype.
  return { raw: Object.fromEntries(item), fault }
}

function lengthFault(columns: number, cells: number): Fault | undefined {
  if (cells === columns) return undefined
  const message = `has ${String(cells)} cells, and the header has ${String(columns)}`
  return { param: '', code: 'invalid_format', message }
}

/** A number where the field is one, an object where it is one; what is neither is left for the item's own check. */
function valueOf(name: string, cell: string): unknown {
  if (numbers.has(name)) {
    const text = cell.trim()
    return /^-?[0-9]+(\.[0-9]+)?([eE][-+]?[0-9]+)?$/.test(text) ? Number(text) : cell
  }
  if (name !== 'extra') return cell
  try {
    return JSON.parse(cell) as unknown
  } catch {
    return cell
  }
}
