import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { formatUsd, parseUsd } from '../../../../src/shared/money/usd.ts'

describe('parseUsd', () => {
  it.each([
    ['0', 0],
    ['0.003', 3_000_000],
    ['12.50', 12_500_000_000],
    ['0.000000001', 1],
    ['9007199.254740991', Number.MAX_SAFE_INTEGER],
    [0.003, 3_000_000],
    [1e-7, 100],
    [25, 25_000_000_000],
    [-0, 0],
  ])('reads %j exactly', (text, nano) => {
    expect(parseUsd(text)).toBe(nano)
  })

  it.each([
    '',
    ' 1',
    '1 ',
    '.5',
    '5.',
    '01',
    '+1',
    '-1',
    '1e3',
    '1,50',
    '$1',
    '0x10',
    '1.0000000000',
    '9007199.254740992',
    '1\n',
    'NaN',
  ])('refuses the text %j', (text) => {
    expect(() => parseUsd(text)).toThrow(RangeError)
  })

  it.each([Number.NaN, Number.POSITIVE_INFINITY, -1, 1e-10, 0.1 + 0.2, 1e21, 9_007_199.3])(
    'refuses the number %d',
    (amount) => {
      expect(() => parseUsd(amount)).toThrow(RangeError)
    },
  )
})

describe('formatUsd', () => {
  it.each([
    [0, '0.00'],
    [3_000_000, '0.003'],
    [15_000_000, '0.015'],
    [3_000_000_000, '3.00'],
    [1, '0.000000001'],
    [12_345_600_000, '12.3456'],
    [Number.MAX_SAFE_INTEGER, '9007199.254740991'],
  ])('writes %d with 2 to 9 decimals', (nano, text) => {
    expect(formatUsd(nano)).toBe(text)
  })

  it.each([-1, 0.5, Number.NaN, 2 ** 53])('refuses %d', (nano) => {
    expect(() => formatUsd(nano)).toThrow(RangeError)
  })

  it('is read back as the same amount, as text and as a number', () => {
    fc.assert(
      fc.property(fc.maxSafeNat(), (nano) => {
        expect(parseUsd(formatUsd(nano))).toBe(nano)
      }),
    )
    fc.assert(
      fc.property(fc.nat(1_000_000_000), (nano) => {
        expect(parseUsd(Number(formatUsd(nano)))).toBe(nano)
      }),
    )
  })
})
