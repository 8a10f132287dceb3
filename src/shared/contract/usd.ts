import { z } from 'zod'
import { asFault } from './fault.ts'

/** Nine decimals of a dollar are counted exactly up to here. */
const usdMax = 9_000_000

/** An amount of US dollars as clients write it: a number, or its decimals as text, up to 9 of them. */
export const usdAmount = z.custom<string | number>().superRefine((amount, context) => {
  const fault = faultOf(amount)
  if (fault !== undefined) context.addIssue({ code: 'custom', ...fault })
})

function faultOf(amount: unknown): ReturnType<typeof asFault> | undefined {
  if (typeof amount !== 'number' && typeof amount !== 'string') {
    return asFault('invalid_type', 'must be an amount of US dollars: a number or a decimal string')
  }
  const text = typeof amount === 'number' ? plainText(amount) : amount
  if (/^-[0-9.]+$/.test(text)) return asFault('out_of_range', 'must be at least 0')
  if (!/^(0|[1-9][0-9]*)(\.[0-9]{1,9})?$/.test(text)) {
    return asFault('invalid_format', 'must be an amount of US dollars with up to 9 decimals, such as "12.50"')
  }
  if (Number(text) > usdMax) return asFault('out_of_range', 'must be at most 9,000,000')
  return undefined
}

/** Small amounts would else be written with an exponent. */
function plainText(amount: number): string {
  const fixed = amount.toFixed(9)
  return Number(fixed) === amount ? fixed : String(amount)
}
