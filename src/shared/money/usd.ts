/** Nano-dollars in a dollar. Money is an integer number of them everywhere inside. */
const nanoPerUsd = 1_000_000_000

/**
 * US dollars as clients write them (a decimal string or a JSON number, up to 9 decimals) in nano-dollars, exactly.
 * Throws RangeError on anything else: signs, exponents, blanks, more decimals, or more than nine million dollars.
 */
export function parseUsd(text: string | number): number {
  const digits = typeof text === 'number' ? decimals(text) : text
  const match = /^(0|[1-9][0-9]*)(?:\.([0-9]{1,9}))?$/.exec(digits)
  if (match === null) throw new RangeError(`not an amount of US dollars with up to 9 decimals: ${digits}`)
  const nano = Number((match[1] ?? '') + (match[2] ?? '').padEnd(9, '0'))
  if (!Number.isSafeInteger(nano)) throw new RangeError(`too many US dollars: ${digits}`)
  return nano
}

/** A number's 9 decimals, or its own text where they do not say all of it (0.1 + 0.2). */
function decimals(amount: number): string {
  const fixed = amount.toFixed(9)
  return Number(fixed) === amount ? fixed : String(amount)
}

/** Nano-dollars as US dollars with 2 to 9 decimals (`"0.003"`). Throws RangeError unless a whole number from 0 up. */
export function formatUsd(nano: number): string {
  if (!Number.isSafeInteger(nano) || nano < 0) throw new RangeError(`not nano-dollars: ${String(nano)}`)
  const fraction = String(nano % nanoPerUsd).padStart(9, '0')
  return `${String(Math.floor(nano / nanoPerUsd))}.${fraction.slice(0, 2)}${fraction.slice(2).replace(/0+$/, '')}`
}
