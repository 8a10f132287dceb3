import { describe, expect, it } from 'vitest'
import { ApiProblem } from '../../../../src/shared/contract/problem.ts'
import { checkItems } from '../../../../src/shared/intake/check-items.ts'
import type { ItemRules } from '../../../../src/shared/intake/options.ts'
import { defaultKeyTemplate, parseKeyTemplate } from '../../../../src/shared/intake/output-key.ts'
import { systemClock } from '../../../../src/shared/process/clock.ts'

const key = parseKeyTemplate(defaultKeyTemplate)
if ('fault' in key) throw new Error(key.fault)
const rules: ItemRules = {
  batch: 'batch_1',
  defaults: { model: 'black-forest-labs/FLUX.1-schnell' },
  template: undefined,
  key,
}

async function problemOf(items: readonly unknown[]): Promise<ApiProblem> {
  const problem: unknown = await checkItems(systemClock, items, rules).catch((error: unknown) => error)
  if (!(problem instanceof ApiProblem)) throw new Error('accepted')
  return problem
}

describe('checkItems', () => {
  it('names each fault with its item: line, index and custom_id', async () => {
    const problem = await problemOf([
      { custom_id: 'a', prompt: 'x' },
      { custom_id: 'b', prompt: '' },
      { custom_id: 'a', prompt: 'x' },
      { custom_id: 7, prompt: 'x' },
      'text',
    ])
    expect(problem).toMatchObject({ status: 422, code: 'invalid_item', param: 'items[1].prompt' })
    expect(problem.faults.map(({ message: _, ...fault }) => fault)).toEqual([
      { line: 2, index: 1, custom_id: 'b', param: 'prompt', code: 'too_short' },
      { line: 3, index: 2, custom_id: 'a', param: 'custom_id', code: 'duplicate_custom_id' },
      { line: 3, index: 2, custom_id: 'a', param: 'output_key', code: 'duplicate_key' },
      { line: 4, index: 3, custom_id: null, param: 'custom_id', code: 'invalid_type' },
      { line: 5, index: 4, custom_id: null, param: '', code: 'invalid_type' },
    ])
  })

  it('finds one bad item among ten thousand', async () => {
    const items = Array.from({ length: 10_000 }, (_, at) => ({ prompt: at === 7_654 ? '' : 'x' }))
    expect((await problemOf(items)).faults).toEqual([expect.objectContaining({ index: 7_654, line: 7_655 })])
  })

  it('lists a hundred faults and counts all', async () => {
    const problem = await problemOf(Array.from({ length: 250 }, () => ({ prompt: '' })))
    expect(problem.faults).toHaveLength(100)
    expect(problem.message).toContain('and 249 more faults')
  })

  it('finds a given custom_id that a missing one would get', async () => {
    const problem = await problemOf([{ custom_id: 'item-2', prompt: 'x' }, { prompt: 'x' }])
    expect(problem.faults[0]).toMatchObject({ index: 1, code: 'duplicate_custom_id' })
  })

  it('gathers warnings by kind, and says whether an item brought its own key', async () => {
    const items = [
      { custom_id: 'a', prompt: 'x', guidance: 3 },
      { custom_id: 'b', prompt: 'x', guidance: 3, output_key: 'own.png' },
    ]
    expect(await checkItems(systemClock, items, rules)).toEqual({
      warnings: [{ code: 'parameter_not_taken', param: 'guidance', count: 2, example: 'a' }],
      anyOwnKey: true,
    })
    expect((await checkItems(systemClock, items.slice(0, 1), rules)).anyOwnKey).toBe(false)
  })
})
