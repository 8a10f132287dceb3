import { describe, expect, it } from 'vitest'
import { invalidRequest } from '../../../../src/shared/contract/problem.ts'
import type { Fault, ItemFault } from '../../../../src/shared/contract/fault.ts'

const option: Fault = { param: 'priority', code: 'out_of_range', message: 'must be one of a, b' }
const item: ItemFault = { line: 4, index: 3, custom_id: 'sku-4', param: 'prompt', code: 'too_long', message: 'is long' }

describe('invalidRequest', () => {
  it('takes the code of an option’s fault, and says invalid_item for an item’s', () => {
    expect(invalidRequest([option])).toMatchObject({ status: 422, code: 'out_of_range', param: 'priority' })
    expect(invalidRequest([item])).toMatchObject({
      status: 422,
      code: 'invalid_item',
      param: 'items[3].prompt',
      message: 'items[3].prompt is long',
    })
  })

  it('says unsupported also for an item’s field that is not built yet', () => {
    expect(invalidRequest([{ ...item, code: 'unsupported', param: 'n' }])).toMatchObject({
      code: 'unsupported',
      param: 'items[3].n',
    })
  })

  it('lists a hundred faults and counts the rest', () => {
    const problem = invalidRequest(Array.from({ length: 150 }, () => item))
    expect(problem.faults).toHaveLength(100)
    expect(problem.message).toBe('items[3].prompt is long (and 149 more faults)')
    expect(invalidRequest([option, item]).message).toContain('(and 1 more fault)')
  })

  it('names the item alone where the whole item is wrong', () => {
    expect(invalidRequest([{ ...item, param: '' }]).param).toBe('items[3]')
  })
})
