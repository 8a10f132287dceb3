import { z } from 'zod'
import { asFault, grouped, type FaultCode } from './fault.ts'

/**
 * Text of `min` to `max` characters (Unicode code points, so that an emoji is one). NUL and halves of surrogate pairs
 * are refused: no store keeps them as they are.
 */
export function text(min: number, max: number): z.ZodType<string, string> {
  return z.string().superRefine((value, context) => {
    const fault = textFault(value, min, max)
    if (fault !== undefined) context.addIssue({ code: 'custom', ...fault })
  })
}

/** As `text`, and not blanks alone. */
export function spokenText(max: number): z.ZodType<string, string> {
  return text(1, max).refine((value) => value.trim() !== '', asFault('too_short', 'must not be blank'))
}

/** What keeps a text from being stored as it is, or makes it too short or too long. */
export function textFault(
  value: string,
  min: number,
  max: number,
): { message: string; params: { fault: FaultCode } } | undefined {
  if (value.length < min) return asFault('too_short', 'must not be empty')
  if (isLongerThan(value, max)) return asFault('too_long', `must be at most ${grouped(max)} characters`)
  if (value.includes('\0')) return asFault('invalid_format', 'must not contain a NUL character')
  if (!value.isWellFormed()) return asFault('invalid_format', 'must not contain half of a surrogate pair')
  return undefined
}

function isLongerThan(value: string, max: number): boolean {
  if (value.length <= max) return false
  if (value.length > 2 * max) return true
  let characters = 0
  for (const _ of value) characters += 1
  return characters > max
}
