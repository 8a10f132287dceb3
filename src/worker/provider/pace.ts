import { parseRetryAfterMs } from '../../shared/outbound/retry-after.ts'
import type { AnswerHeaders } from '../../shared/outbound/outbound-error.ts'

/** What an answer's headers say about the provider's rate. Each is absent where no header says it. */
export interface PaceHints {
  /** Calls a minute. */
  readonly limit?: number
  /** Calls left in the present window. */
  readonly remaining?: number
  /** When the window ends, unix milliseconds by our clock. */
  readonly resetAtMs?: number
  readonly retryAfterMs?: number
}

export const paceWaitMsMax = 120_000

/**
 * Reads `X-RateLimit-*` (Runcrate's, docs/provider.md) or `RateLimit-*` (IETF draft) in any case. Times are
 * corrected by the `Date` header, since the provider's clock need not be ours.
 */
export function readPace(headers: AnswerHeaders, nowMs: number): PaceHints {
  const read = reader(headers)
  const rate = (name: string): string | undefined => read(`x-ratelimit-${name}`) ?? read(`ratelimit-${name}`)
  const theirNowMs = nowMs + skewMs(read('date'), nowMs)
  const limit = count(rate('limit'))
  const remaining = count(rate('remaining'))
  const resetAtMs = resetTimeMs(rate('reset'), theirNowMs)
  const retryAfterMs = parseRetryAfterMs(read('retry-after'), theirNowMs, paceWaitMsMax)
  return {
    ...(limit !== undefined && limit > 0 ? { limit } : {}),
    ...(remaining === undefined ? {} : { remaining }),
    ...(resetAtMs === undefined ? {} : { resetAtMs: resetAtMs - theirNowMs + nowMs }),
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
  }
}

function reader(headers: AnswerHeaders): (name: string) => string | undefined {
  const lower = new Map(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]))
  return (name) => {
    const value = lower.get(name)
    return (Array.isArray(value) ? value[0] : value)?.trim()
  }
}

/** How far their clock is ahead. `Date` has whole seconds: within that, the clocks agree as far as anyone can see. */
function skewMs(date: string | undefined, nowMs: number): number {
  const theirsMs = date === undefined ? Number.NaN : Date.parse(date)
  if (Number.isNaN(theirsMs)) return 0
  const aheadMs = theirsMs + 500 - nowMs
  return Math.abs(aheadMs) <= 1_500 ? 0 : aheadMs
}

/** The first whole number: some drafts append `, 100;w=60`. */
function count(text: string | undefined): number | undefined {
  const digits = text === undefined ? undefined : /^\d{1,12}/.exec(text)?.[0]
  return digits === undefined ? undefined : Number(digits)
}

/** Unix seconds (Runcrate's), milliseconds over 10^12, an ISO time, or, where small, seconds from now (the draft's). */
function resetTimeMs(text: string | undefined, theirNowMs: number): number | undefined {
  if (text === undefined || text === '') return undefined
  if (!/^\d+(\.\d+)?$/.test(text)) {
    if (!/^\d{4}-\d\d-\d\dT/.test(text)) return undefined
    const timeMs = Date.parse(text)
    return Number.isNaN(timeMs) ? undefined : timeMs
  }
  const value = Number(text)
  if (value > 1e12) return value
  if (value > 1e9) return value * 1000
  return theirNowMs + value * 1000
}
