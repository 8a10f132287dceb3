import { describe, expect, it } from 'vitest'
import { errorOf, goodKey, startCaller } from './caller.ts'

/** A wall clock that stands where the test puts it. */
function heldClock() {
  let now = 1_760_000_040_000 // the start of a minute
  return {
    now: () => now,
    monotonic: () => now,
    sleep: () => Promise.resolve(),
    every: () => () => undefined,
    pass(ms: number) {
      now += ms
    },
  }
}

describe('the rate limit', () => {
  it('holds for each key, and each answer says where it stands', async () => {
    const clock = heldClock()
    const { call } = await startCaller({ rateLimit: 2, clock })
    const start = Math.floor(clock.now() / 60_000) * 60
    const first = await call('A mug')
    expect(first.headers).toMatchObject({
      'x-ratelimit-limit': '2',
      'x-ratelimit-remaining': '1',
      'x-ratelimit-reset': String(start + 60),
    })
    expect((await call('A mug')).headers['x-ratelimit-remaining']).toBe('0')
    clock.pass(20_500)
    const refused = await call('A mug')
    expect(refused.status).toBe(429)
    expect(errorOf(refused)).toMatchObject({ code: 'rate_limited', type: 'rate_limit_error' })
    expect(refused.headers).toMatchObject({ 'retry-after': '40', 'x-ratelimit-remaining': '0' })
    expect((await call('A mug', { key: 'rc_live_another01' })).status).toBe(200)
    clock.pass(39_500)
    expect((await call('A mug')).status).toBe(200)
  })

  it('does not exist with --rate-limit 0, and neither do its headers', async () => {
    const { call } = await startCaller({ rateLimit: 0 })
    expect((await call('A mug')).headers).not.toHaveProperty('x-ratelimit-limit')
  })

  it.each([
    ['none', undefined],
    ['float', /^[0-9]+\.[0-9]{3}$/],
    ['date', /GMT$/],
    ['huge', /^86400$/],
  ] as const)('can say %s when to come back', async (manner, pattern) => {
    const { call, control } = await startCaller({ rateLimit: 1 })
    await control('PUT', '/options', { retry_after: manner })
    await call('A mug')
    const refused = await call('A mug')
    expect(refused.status).toBe(429)
    if (pattern === undefined) expect(refused.headers).not.toHaveProperty('retry-after')
    else expect(refused.headers['retry-after']).toMatch(pattern)
  })

  it('can keep its headers to itself, and tell the wrong time', async () => {
    const { call, control } = await startCaller({ rateLimit: 5 })
    await control('PUT', '/options', { headers: 'none' })
    expect((await call('A mug')).headers).not.toHaveProperty('x-ratelimit-remaining')
    await control('PUT', '/options', { headers: 'all', reset_skew_s: -3600 })
    const reset = Number((await call('A mug')).headers['x-ratelimit-reset'])
    expect(reset).toBeLessThan(Date.now() / 1000 - 3000)
  })

  it('can be changed while it runs', async () => {
    const { call, control } = await startCaller({ rateLimit: 1 })
    expect((await call('A mug')).status).toBe(200)
    expect((await call('A mug')).status).toBe(429)
    await control('PUT', '/options', { rate_limit: 3 })
    expect((await call('A mug')).headers['x-ratelimit-limit']).toBe('3')
    expect((await control('GET', '/options')).json()).toMatchObject({ rate_limit: 3, window: 'fixed' })
    expect((await control('PUT', '/options', { rate_limit: -1 })).status).toBe(422)
    expect((await control('PUT', '/options', { ratelimit: 1 })).status).toBe(422)
  })
})

describe('the limit of calls at once', () => {
  it('is a 429 without any of our headers', async () => {
    const { call, control } = await startCaller({ rateLimit: 100, latencyMs: 100 })
    await control('PUT', '/options', { max_concurrent: 2 })
    const replies = await Promise.all(['A mug', 'A lamp', 'A chair'].map((prompt) => call(prompt)))
    const refused = replies.filter(({ status }) => status === 429)
    expect(refused).toHaveLength(1)
    expect(refused[0]?.json()).toEqual({ detail: 'Request was throttled. Expected available in 1 second.' })
    expect(Object.keys(refused[0]?.headers ?? {}).filter((name) => /ratelimit|retry|request/.test(name))).toEqual([])
    expect((await call('A chair')).status).toBe(200)
  })
})

it('counts what came in, how much at once, and the 429s', async () => {
  const { call, control } = await startCaller({ rateLimit: 4, latencyMs: 50 })
  await Promise.all(Array.from({ length: 6 }, (_, index) => call(`A mug ${String(index)}`)))
  await call('A mug', { key: `${goodKey}2` })
  const stats: { per_second: [number, number, number][] } = (await control('GET', '/stats')).json()
  expect(stats).toMatchObject({ total: 5, paid: 5, refused: 2, in_flight: 0, in_flight_max: 4, throttled: 2 })
  expect(stats).toMatchObject({ busiest_minute: 5, bodies: 5, paid_twice: 0 })
  expect(stats.per_second.reduce((sum, [, entered]) => sum + entered, 0)).toBe(5)
})
