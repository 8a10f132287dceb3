import { z } from 'zod'
import { asFault } from './fault.ts'
import { text, textFault } from './text.ts'

/** An object of just these fields; one that is null counts as absent (docs/api.md, "Options"). */
export function fields<Shape extends z.core.$ZodShape>(shape: Shape) {
  return z.preprocess(withoutNulls, z.strictObject(shape))
}

/** `fields` whose keys the caller chooses. `__proto__` is refused: it is a name that no object keeps. */
export function map<Value extends z.ZodType>(value: Value) {
  return z.preprocess(
    withoutNulls,
    z
      .unknown()
      .superRefine((object, context) => {
        if (typeof object !== 'object' || object === null || !Object.hasOwn(object, '__proto__')) return
        context.addIssue({ code: 'custom', path: ['__proto__'], ...unknownField })
      })
      .pipe(z.record(z.string(), value)),
  )
}

/** A field, option or value that is planned and not built yet: refused by name, never ignored. */
export function notBuilt(what: string) {
  return z
    .unknown()
    .refine(() => false, asFault('unsupported', `is not supported yet (${what})`))
    .optional()
}

const unknownField = asFault('unknown_field', 'is not a field that is known here')

function withoutNulls(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value
  const entries = Object.entries(value)
  if (!entries.some(([, entry]) => entry === null)) return value
  return Object.fromEntries(entries.filter(([, entry]) => entry !== null))
}

const pairsMax = 16

/** The caller's own labels: 16 pairs of 64 and 512 characters. */
export const metadata = map(text(0, 512)).superRefine((pairs, context) => {
  const keys = Object.keys(pairs)
  if (keys.length > pairsMax) {
    context.addIssue({ code: 'custom', ...asFault('too_long', `must have at most ${String(pairsMax)} pairs`) })
  }
  for (const key of keys) {
    const fault = textFault(key, 1, 64)
    if (fault === undefined) continue
    context.addIssue({ code: 'custom', ...fault, message: `has a key that ${fault.message}` })
  }
})

const extraDepthMax = 32

/** What is sent to the provider as it is. Values are not looked into, but for what no store or JSON text could keep. */
export function extra(reserved: readonly string[]): z.ZodType<Record<string, unknown>> {
  return z
    .custom<Record<string, unknown>>(
      (value) => typeof value === 'object' && value !== null && !Array.isArray(value),
      asFault('invalid_type', 'must be an object'),
    )
    .superRefine((object, context) => {
      for (const name of reserved) {
        if (!Object.hasOwn(object, name)) continue
        const message = 'is a field of its own and cannot be given in extra'
        context.addIssue({ code: 'custom', path: [name], ...asFault('unsupported', message) })
      }
      const fault = jsonFault(object, 1)
      if (fault !== undefined) context.addIssue({ code: 'custom', ...fault })
    })
}

type FaultFields = ReturnType<typeof asFault>

function jsonFault(value: unknown, depth: number): (FaultFields & { path?: string[] }) | undefined {
  if (typeof value === 'string') return textFault(value, 0, Infinity)
  if (typeof value === 'number' && !Number.isFinite(value)) return asFault('out_of_range', 'holds a number too large')
  if (typeof value !== 'object' || value === null) return undefined
  if (depth > extraDepthMax) return asFault('too_long', `must not be deeper than ${String(extraDepthMax)} levels`)
  for (const [name, entry] of Object.entries(value)) {
    if (name === '__proto__') return { ...unknownField, path: ['__proto__'] }
    const fault = textFault(name, 0, Infinity) ?? jsonFault(entry, depth + 1)
    if (fault !== undefined) return fault
  }
  return undefined
}
