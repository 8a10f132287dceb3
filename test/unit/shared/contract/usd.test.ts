import { describe, expect, it } from 'vitest'
import { usdAmount } from '../../../../src/shared/contract/usd.ts'
import { parseUsd } from '../../../../src/shared/money/usd.ts'

function codeOf(amount: unknown): string | undefined {
  const parsed = usdAmount.safeParse(amount)
  const issue = parsed.error?.issues[0]
  return issue?.code === 'custom' ? (issue.params?.['fault'] as string) : issue?.code
}

describe('usdAmount', () => {
  it.each([0, 1, 12.5, 0.003, 0.000000001, '0', '0.30', '12.50', '9000000', '0.000000001'])('takes %j', (amount) => {
    expect(codeOf(amount)).toBeUndefined()
    expect(parseUsd(amount)).toBeGreaterThanOrEqual(0)
  })

  it.each([
    [-1, 'out_of_range'],
    ['-0.5', 'out_of_range'],
    [9_000_000.01, 'out_of_range'],
    ['10000000', 'out_of_range'],
    [0.1 + 0.2, 'invalid_format'],
    [1e-10, 'invalid_format'],
    [Infinity, 'invalid_format'],
    ['1e3', 'invalid_format'],
    ['.5', 'invalid_format'],
    ['01', 'invalid_format'],
    ['1,50', 'invalid_format'],
    [' 1', 'invalid_format'],
    ['', 'invalid_format'],
    [true, 'invalid_type'],
    [{}, 'invalid_type'],
  ])('refuses %j as %s', (amount, code) => {
    expect(codeOf(amount)).toBe(code)
  })
})
