import { describe, expect, it } from 'vitest'
import { readPace } from '../../../../src/worker/provider/pace.ts'

const nowMs = Date.parse('2026-11-24T12:00:00.250Z')
const date = 'Tue, 24 Nov 2026 12:00:00 GMT'

describe('readPace', () => {
  it('says nothing where no header does', () => {
    expect(readPace({ date, 'content-type': 'image/png' }, nowMs)).toEqual({})
  })

  it('reads the three rate headers of either family, in any case', () => {
    const expected = { limit: 600, remaining: 0, resetAtMs: nowMs + 9_750 }
    const resetS = String(Math.floor(nowMs / 1000) + 10)
    const values = ['600', '0', resetS] as const
    for (const prefix of ['x-ratelimit-', 'X-RateLimit-', 'X-RATELIMIT-', 'ratelimit-', 'RateLimit-']) {
      const [limit, remaining, reset] = values
      const headers = { [`${prefix}limit`]: limit, [`${prefix}Remaining`]: remaining, [`${prefix}reset`]: reset }
      expect(readPace(headers, nowMs)).toEqual(expected)
    }
  })

  it.each([
    ['unix seconds', '1795521610', 9_750],
    ['unix milliseconds', '1795521610000', 9_750],
    ['an ISO time', '2026-11-24T12:00:10Z', 9_750],
    ['seconds from now', '10', 10_000],
    ['seconds from now with a fraction', '0.5', 500],
  ])('reads a reset given as %s', (_form, reset, waitMs) => {
    const { resetAtMs } = readPace({ 'x-ratelimit-reset': reset, date }, nowMs)
    expect((resetAtMs ?? 0) - nowMs).toBe(waitMs)
  })

  it.each(['', 'soon', '-5', 'NaN', 'Infinity'])('makes nothing of %j in any header', (value) => {
    const names = ['x-ratelimit-limit', 'x-ratelimit-remaining', 'x-ratelimit-reset', 'retry-after', 'date']
    expect(readPace(Object.fromEntries(names.map((name) => [name, value])), nowMs)).toEqual({})
  })

  it('takes the first number of a draft header and no limit of zero', () => {
    expect(readPace({ 'ratelimit-limit': '100, 100;w=60' }, nowMs).limit).toBe(100)
    expect(readPace({ 'x-ratelimit-limit': '0' }, nowMs).limit).toBeUndefined()
  })

  it('corrects times by the Date header where the clocks differ by more than it can show', () => {
    const anHourAhead = 'Tue, 24 Nov 2026 13:00:00 GMT'
    const pace = readPace({ 'x-ratelimit-reset': '2026-11-24T13:00:30Z', date: anHourAhead }, nowMs)
    expect((pace.resetAtMs ?? 0) - nowMs).toBe(29_500)
    const retry = readPace({ 'retry-after': 'Tue, 24 Nov 2026 13:00:30 GMT', date: anHourAhead }, nowMs)
    expect(retry.retryAfterMs).toBe(29_500)
  })

  it('reads Retry-After as seconds, a fraction or a date, and waits at most two minutes', () => {
    expect(readPace({ 'Retry-After': '3' }, nowMs).retryAfterMs).toBe(3_000)
    expect(readPace({ 'retry-after': '0.2' }, nowMs).retryAfterMs).toBe(200)
    expect(readPace({ 'retry-after': '86400' }, nowMs).retryAfterMs).toBe(120_000)
  })
})
