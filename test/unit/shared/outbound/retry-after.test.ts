import { expect, it } from 'vitest'
import { parseRetryAfterMs } from '../../../../src/shared/outbound/retry-after.ts'

const nowMs = Date.parse('2026-11-24T12:00:00Z')

it.each([
  ['0', 0],
  ['2', 2_000],
  ['0.25', 250],
  [['7', '9'], 7_000],
  ['Tue, 24 Nov 2026 12:00:30 GMT', 30_000],
  ['Tue, 24 Nov 2026 11:00:00 GMT', 0],
  ['999999', 60_000],
  ['', undefined],
  ['soon', undefined],
  ['-5', undefined],
  [undefined, undefined],
])('reads %j as %s ms, capped at a minute', (value, expected) => {
  expect(parseRetryAfterMs(value, nowMs, 60_000)).toBe(expected)
})
