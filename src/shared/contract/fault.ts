import type { z } from 'zod'

/** What can be wrong with a field (docs/api.md, "Errors"). */
export type FaultCode =
  | 'missing'
  | 'invalid_type'
  | 'out_of_range'
  | 'too_long'
  | 'too_short'
  | 'unknown_field'
  | 'invalid_format'
  | 'invalid_json'
  | 'invalid_template'
  | 'duplicate_custom_id'
  | 'duplicate_key'
  | 'unsupported'
  | 'unsupported_input'
  | 'unknown_model'

/** One thing that is wrong. `message` goes on behind the field's name: "must be at most 200 characters". */
export interface Fault {
  readonly param: string
  readonly code: FaultCode
  readonly message: string
}

/** A fault of one item of the body; `line` counts physical lines from 1, in JSON items. */
export interface ItemFault extends Fault {
  readonly line: number
  readonly index: number
  readonly custom_id: string | null
}

/** A fault as answers have it. */
export interface FaultEntry {
  readonly line: number | null
  readonly index: number | null
  readonly custom_id: string | null
  readonly param: string
  readonly code: FaultCode
  readonly message: string
}

export function faultEntry(fault: Fault | ItemFault): FaultEntry {
  const place = 'index' in fault ? fault : { line: null, index: null, custom_id: null }
  return {
    line: place.line,
    index: place.index,
    custom_id: place.custom_id,
    param: fault.param,
    code: fault.code,
    message: `${fault.param} ${fault.message}`.trim(),
  }
}

type Issue = z.core.$ZodIssue

/** How a schema's own rule says which fault it found. */
export function asFault(code: FaultCode, message: string): { message: string; params: { fault: FaultCode } } {
  return { message, params: { fault: code } }
}

/** What a schema found, as faults: one for each field, the first that was found. `value` is what was parsed. */
export function faultsOf(error: z.ZodError, value: unknown, under = ''): Fault[] {
  const faults = new Map<string, Fault>()
  for (const fault of error.issues.flatMap((issue) => faultsOfIssue(issue, value, under))) {
    if (!faults.has(fault.param)) faults.set(fault.param, fault)
  }
  return [...faults.values()]
}

function faultsOfIssue(issue: Issue, value: unknown, under: string): Fault[] {
  const param = paramOf(under, issue.path)
  const one = (code: FaultCode, message: string): Fault[] => [{ param, code, message }]
  switch (issue.code) {
    case 'unrecognized_keys':
      return issue.keys.map((key) => ({
        param: paramOf(under, [...issue.path, key]),
        code: 'unknown_field',
        message: 'is not a field that is known here',
      }))
    case 'invalid_type':
      if (isAbsent(value, issue.path)) return one('missing', 'is required')
      return one('invalid_type', `must be ${nameOfType(issue.expected)}`)
    case 'invalid_value':
      return one('out_of_range', `must be one of ${issue.values.map((known) => String(known)).join(', ')}`)
    case 'too_big':
      if (issue.origin === 'array') return one('too_long', `must have at most ${grouped(issue.maximum)} entries`)
      return one('out_of_range', `must be at most ${grouped(issue.maximum)}`)
    case 'too_small':
      if (issue.origin === 'array') return one('too_short', `must have at least ${grouped(issue.minimum)} entry`)
      return one('out_of_range', `must be at least ${grouped(issue.minimum)}`)
    case 'custom':
      return one((issue.params as { fault: FaultCode } | undefined)?.fault ?? 'invalid_format', issue.message)
    default:
      return one('invalid_format', 'is not valid')
  }
}

/** Not there, or null in an object: an entry of a list that is null is there. */
function isAbsent(value: unknown, path: readonly PropertyKey[]): boolean {
  const found = path.reduce<unknown>(
    (inner, key) =>
      typeof inner === 'object' && inner !== null && Object.hasOwn(inner, key) ? Reflect.get(inner, key) : undefined,
    value,
  )
  return found === undefined || (found === null && typeof path.at(-1) === 'string')
}

/** `webhook.events[2]` */
function paramOf(under: string, path: readonly PropertyKey[]): string {
  return path.reduce<string>((text, key) => {
    if (typeof key === 'number') return `${text}[${String(key)}]`
    const name = String(key).slice(0, 128)
    return text === '' ? name : `${text}.${name}`
  }, under)
}

function nameOfType(expected: string): string {
  if (expected === 'int') return 'a whole number'
  if (expected === 'record') return 'an object'
  return `${/^[aeiou]/.test(expected) ? 'an' : 'a'} ${expected}`
}

/** 1,000,000 */
export function grouped(count: number | bigint): string {
  return String(count).replace(/\B(?=(?:\d{3})+$)/g, ',')
}
