import { describe, expect, it } from 'vitest'
import { parseUploadQuery } from '../../../../src/shared/contract/upload-query.ts'

function faultsOf(query: string): string[] {
  const parsed = parseUploadQuery(new URLSearchParams(query))
  return 'faults' in parsed ? parsed.faults.map(({ param, code }) => `${param}: ${code}`) : []
}

describe('the options of an upload', () => {
  it('are read by name where they are a text, a number or a boolean, and from options where they are not', () => {
    const query = new URLSearchParams({
      name: '2026',
      template: 'A {{colour}} shoe & more',
      priority: 'bulk',
      max_attempts: '3',
      budget_usd: '12.50',
      completion_window: '2h',
      on_invalid: 'skip',
      dry_run: 'false',
      options: JSON.stringify({ defaults: { model: 'a/b' }, metadata: { season: 'autumn' }, output: { key: null } }),
    })
    expect(parseUploadQuery(query)).toEqual({
      options: {
        name: '2026',
        template: 'A {{colour}} shoe & more',
        priority: 'bulk',
        max_attempts: 3,
        budget_usd: '12.50',
        completion_window: 7_200_000,
        on_invalid: 'skip',
        dry_run: false,
        defaults: { model: 'a/b' },
        metadata: { season: 'autumn' },
        output: {},
      },
    })
    expect(parseUploadQuery(new URLSearchParams())).toEqual({ options: {} })
  })

  it.each([
    ['page=2', 'page: unknown_field'],
    ['items=1', 'items: unknown_field'],
    ['dry_run=true', 'dry_run: unsupported'],
    ['max_attempts=many', 'max_attempts: invalid_type'],
    ['max_attempts=21', 'max_attempts: out_of_range'],
    ['name=a&name=b', 'name: invalid_format'],
    ['name=a&options=%7B%22name%22%3A%22b%22%7D', 'name: invalid_format'],
    ['options=%7B', 'options: invalid_json'],
    ['options=[]', 'options: invalid_type'],
    ['options=%7B%22__proto__%22%3A1%7D', '__proto__: unknown_field'],
    ['__proto__=1', '__proto__: unknown_field'],
    ['options=%7B%22defaults%22%3A%7B%22width%22%3A1%7D%7D', 'defaults.width: out_of_range'],
  ])('that are %s are refused by name', (query, fault) => {
    expect(faultsOf(query)).toEqual([fault])
  })
})
