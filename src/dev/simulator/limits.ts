import type { Clock } from '../../shared/process/clock.ts'
import { boundedMap } from './bounded-map.ts'
import type { Settings } from './settings.ts'

/** What the limits say of one call, and the headers that its answer carries for it. */
export interface Turn {
  readonly verdict: 'go' | 'too_fast' | 'too_many_at_once'
  readonly headers: Readonly<Record<string, string>>
}

export interface Limits {
  /** Asks for a place; what got `go` must `leave`. */
  enter(key: string): Turn
  leave(key: string): void
}

/** How much of its limit a key has used, in each kind of window. */
interface Use {
  minute: number
  inMinute: number
  /** Times of the calls of the last minute, from `head` on. */
  times: number[]
  head: number
  tokens: number
  filledAtMs: number
  inFlight: number
}

interface Window {
  /** Brings `use` up to date: calls that are free now, and when there will be more. */
  look(use: Use, limit: number, now: number): { free: number; resetMs: number }
  count(use: Use, now: number): void
}

const minuteMs = 60_000
const keysMax = 10_000

const windows: Record<Settings['window'], Window> = {
  /** The minute of the wall clock: all of the limit is free again at its end. */
  fixed: {
    look(use, limit, now) {
      const minute = Math.floor(now / minuteMs)
      if (use.minute !== minute) {
        use.minute = minute
        use.inMinute = 0
      }
      return { free: limit - use.inMinute, resetMs: (minute + 1) * minuteMs }
    },
    count(use) {
      use.inMinute += 1
    },
  },
  /** The last sixty seconds. */
  sliding: {
    look(use, limit, now) {
      while (use.head < use.times.length && (use.times[use.head] as number) <= now - minuteMs) use.head += 1
      if (use.head > 10_000) {
        use.times.splice(0, use.head)
        use.head = 0
      }
      return { free: limit - (use.times.length - use.head), resetMs: (use.times[use.head] ?? now) + minuteMs }
    },
    count(use, now) {
      use.times.push(now)
    },
  },
  /** As many as the limit at once, filled again evenly. */
  bucket: {
    look(use, limit, now) {
      use.tokens = Math.min(limit, use.tokens + ((now - use.filledAtMs) * limit) / minuteMs)
      use.filledAtMs = now
      return { free: use.tokens, resetMs: now + Math.max(0, ((1 - use.tokens) * minuteMs) / limit) }
    },
    count(use) {
      use.tokens -= 1
    },
  },
}

export function createLimits(clock: Clock, settings: () => Settings): Limits {
  const uses = boundedMap<Use>(keysMax)

  const useOf = (key: string, now: number): Use => {
    const known = uses.get(key)
    if (known !== undefined) return known
    const fresh = { minute: 0, inMinute: 0, times: [], head: 0, tokens: Infinity, filledAtMs: now, inFlight: 0 }
    uses.set(key, fresh)
    return fresh
  }

  return {
    enter(key) {
      const { rate_limit: limit, window, count_rejected: countRejected, max_concurrent: atOnceMax } = settings()
      const now = clock.now()
      const use = useOf(key, now)
      if (atOnceMax > 0 && use.inFlight >= atOnceMax) return { verdict: 'too_many_at_once', headers: {} }
      if (limit === 0) {
        use.inFlight += 1
        return { verdict: 'go', headers: {} }
      }
      const { free, resetMs } = windows[window].look(use, limit, now)
      const go = free >= 1
      if (go || countRejected) windows[window].count(use, now)
      const remaining = go ? Math.floor(free - 1) : 0
      const headers = rateHeaders(settings(), remaining, resetMs)
      if (!go) return { verdict: 'too_fast', headers: { ...headers, ...retryAfter(settings(), resetMs - now, now) } }
      use.inFlight += 1
      return { verdict: 'go', headers }
    },
    leave(key) {
      const use = uses.get(key)
      if (use !== undefined) use.inFlight -= 1
    },
  }
}

/** The rate headers as Runcrate documents them; none where there is no limit, or the settings drop them. */
export function rateHeaders(settings: Settings, remaining: number, resetMs: number): Record<string, string> {
  if (settings.headers === 'none' || settings.rate_limit === 0) return {}
  return {
    'X-RateLimit-Limit': String(settings.rate_limit),
    'X-RateLimit-Remaining': String(remaining),
    'X-RateLimit-Reset': String(Math.ceil(resetMs / 1000) + settings.reset_skew_s),
  }
}

/** The `Retry-After` of a 429, in the manner that the settings ask for. */
export function retryAfter(settings: Settings, waitMs: number, now: number): Record<string, string> {
  const seconds = Math.max(1, Math.ceil(waitMs / 1000))
  switch (settings.retry_after) {
    case 'none':
      return {}
    case 'date':
      return { 'Retry-After': new Date(now + seconds * 1000).toUTCString() }
    case 'float':
      return { 'Retry-After': (Math.max(1, waitMs) / 1000).toFixed(3) }
    case 'huge':
      return { 'Retry-After': '86400' }
    case 'seconds':
      return { 'Retry-After': String(seconds) }
  }
}
