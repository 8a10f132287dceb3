import { describe, expect, it } from 'vitest'
import { parseListQuery, parseNoQuery, parseResultsQuery } from '../../../../src/shared/contract/paging.ts'

function list(query: string): unknown {
  const parsed = parseListQuery(new URLSearchParams(query))
  return 'faults' in parsed ? parsed.faults.map(({ param, code }) => `${param}: ${code}`) : parsed.query
}

describe('parseListQuery', () => {
  it('has a limit of 20 where none is given', () => {
    expect(list('')).toEqual({ limit: 20 })
  })

  it('takes everything that a list knows', () => {
    expect(list('after=batch_x&limit=100&status=completed&metadata[shop]=a&metadata[a%5Db]=c')).toEqual({
      after: 'batch_x',
      limit: 100,
      status: 'completed',
      metadata: { shop: 'a', 'a]b': 'c' },
    })
    expect(list('limit=1')).toEqual({ limit: 1 })
  })

  it.each([
    ['limit=0', 'limit: out_of_range'],
    ['limit=101', 'limit: out_of_range'],
    ['limit=-1', 'limit: out_of_range'],
    ['limit=99999999', 'limit: out_of_range'],
    ['limit=1e1', 'limit: invalid_type'],
    ['limit=', 'limit: invalid_type'],
    ['limit=10&limit=20', 'limit: invalid_format'],
    ['status=done', 'status: out_of_range'],
    ['offset=3', 'offset: unknown_field'],
    ['metadata=x', 'metadata: invalid_type'],
    ['metadata[__proto__]=x', 'metadata.__proto__: unknown_field'],
    ['__proto__=x', '__proto__: unknown_field'],
    ['key=cw_secret', 'key: unknown_field'],
  ])('refuses %s', (query, fault) => {
    expect(list(query)).toEqual([fault])
  })
})

it('knows only after for results, and nothing where there is nothing to say', () => {
  expect(parseResultsQuery(new URLSearchParams('after=item_1'))).toEqual({ query: { after: 'item_1' } })
  expect(parseResultsQuery(new URLSearchParams('limit=1'))).toHaveProperty('faults.0.code', 'unknown_field')
  expect(parseNoQuery(new URLSearchParams(''))).toEqual({ query: {} })
  expect(parseNoQuery(new URLSearchParams('dry_run=true'))).toHaveProperty('faults.0.param', 'dry_run')
})
