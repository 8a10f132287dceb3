/**
 * A `Retry-After` header in milliseconds, at most `capMs`: seconds, a fraction of them too, or an HTTP date (RFC 9110
 * section 10.2.3). Undefined where it is absent or says neither.
 */
export function parseRetryAfterMs(
  value: string | string[] | undefined,
  nowMs: number,
  capMs: number,
): number | undefined {
  const text = (Array.isArray(value) ? value[0] : value)?.trim()
  if (text === undefined || text === '') return undefined
  const isSeconds = /^\d+(\.\d+)?$/.test(text)
  // Date.parse would take "-5" for a year; a date here begins with its weekday.
  if (!isSeconds && !/^[A-Za-z]{3}/.test(text)) return undefined
  const waitMs = isSeconds ? Number(text) * 1000 : Date.parse(text) - nowMs
  if (Number.isNaN(waitMs)) return undefined
  return Math.ceil(Math.min(Math.max(waitMs, 0), capMs))
}
