import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { InputItem } from '../../../../src/shared/contract/accepted.ts'
import { ApiProblem } from '../../../../src/shared/contract/problem.ts'
import { newItemReader, type ReadItems } from '../../../../src/shared/intake/item-reader.ts'
import type { ItemRules } from '../../../../src/shared/intake/options.ts'
import { defaultKeyTemplate, parseKeyTemplate } from '../../../../src/shared/intake/output-key.ts'
import type { RawItem } from '../../../../src/shared/intake/raw-item.ts'

const key = parseKeyTemplate(defaultKeyTemplate)
if ('fault' in key) throw new Error(key.fault)
const rules: ItemRules = {
  batch: 'batch_1',
  defaults: { model: 'black-forest-labs/FLUX.1-schnell' },
  template: undefined,
  key,
  priced: false,
}

type Way = 'reject' | 'skip'

/** Reads items whose lines are as in a JSON body, unless they say otherwise. */
function read(way: Way, items: readonly unknown[]): ReadItems & { kept: InputItem[] } {
  return readRaw(
    way,
    items.map((raw, at) => ({ line: at + 1, raw })),
  )
}

function readRaw(way: Way, raws: readonly RawItem[]): ReadItems & { kept: InputItem[] } {
  const reader = newItemReader(rules, way)
  const kept = raws.map((raw) => reader.read(raw)).filter((item) => item !== undefined)
  return { ...reader.end(), kept }
}

function problemOf(run: () => unknown): ApiProblem {
  try {
    run()
  } catch (error) {
    if (error instanceof ApiProblem) return error
    throw error
  }
  throw new Error('accepted')
}

describe('with on_invalid: reject', () => {
  it('names each fault with its item: line, index and custom_id', () => {
    const problem = problemOf(() =>
      read('reject', [
        { custom_id: 'a', prompt: 'x' },
        { custom_id: 'b', prompt: '' },
        { custom_id: 'a', prompt: 'x' },
        { custom_id: 7, prompt: 'x' },
        'text',
      ]),
    )
    expect(problem).toMatchObject({ status: 422, code: 'invalid_item', param: 'items[1].prompt' })
    expect(problem.faults.map(({ message: _, ...fault }) => fault)).toEqual([
      { line: 2, index: 1, custom_id: 'b', param: 'prompt', code: 'too_short' },
      { line: 3, index: 2, custom_id: 'a', param: 'custom_id', code: 'duplicate_custom_id' },
      { line: 3, index: 2, custom_id: 'a', param: 'output_key', code: 'duplicate_key' },
      { line: 4, index: 3, custom_id: null, param: 'custom_id', code: 'invalid_type' },
      { line: 5, index: 4, custom_id: null, param: '', code: 'invalid_type' },
    ])
  })

  it('finds one bad item among ten thousand', () => {
    const items = Array.from({ length: 10_000 }, (_, at) => ({ prompt: at === 7_654 ? '' : 'x' }))
    expect(problemOf(() => read('reject', items)).faults).toEqual([
      expect.objectContaining({ index: 7_654, line: 7_655 }),
    ])
  })

  it('lists a hundred faults and counts all', () => {
    const problem = problemOf(() =>
      read(
        'reject',
        Array.from({ length: 250 }, () => ({ prompt: '' })),
      ),
    )
    expect(problem.faults).toHaveLength(100)
    expect(problem.message).toContain('and 249 more faults')
  })

  it('gives nothing to keep from the first fault on', () => {
    const reader = newItemReader(rules, 'reject')
    expect(reader.read({ line: 1, raw: { prompt: 'x' } })).toMatchObject({ index: 0 })
    expect(reader.read({ line: 2, raw: { prompt: '' } })).toBeUndefined()
    expect(reader.read({ line: 3, raw: { prompt: 'x' } })).toBeUndefined()
  })

  it('finds a given custom_id that a missing one would get', () => {
    const problem = problemOf(() => read('reject', [{ custom_id: 'item-2', prompt: 'x' }, { prompt: 'x' }]))
    expect(problem.faults[0]).toMatchObject({ index: 1, code: 'duplicate_custom_id' })
  })

  it('takes a million items and not one more', () => {
    const fault = { param: '', code: 'invalid_json', message: 'is not JSON' } as const
    const reader = newItemReader(rules, 'reject')
    for (let line = 1; line <= 1_000_000; line += 1) reader.read({ line, raw: undefined, fault })
    expect(problemOf(() => reader.end()).message).toContain('and 999999 more faults')
    expect(problemOf(() => reader.read({ line: 1_000_001, raw: {} }))).toMatchObject({
      status: 422,
      code: 'too_long',
      param: 'items',
      message: 'items must have at most 1,000,000 entries',
    })
  })

  it('refuses what holds no item at all', () => {
    expect(problemOf(() => read('reject', []))).toMatchObject({ status: 422, code: 'too_short', param: 'items' })
  })

  it('gathers warnings by kind, and says whether an item brought its own key', () => {
    const items = [
      { custom_id: 'a', prompt: 'x', guidance: 3 },
      { custom_id: 'b', prompt: 'x', guidance: 3, output_key: 'own.png' },
    ]
    expect(read('reject', items)).toMatchObject({
      total: 2,
      errors: undefined,
      warnings: [{ code: 'parameter_not_taken', param: 'guidance', count: 2, example: 'a' }],
      anyOwnKey: true,
    })
    expect(read('reject', items.slice(0, 1)).anyOwnKey).toBe(false)
  })
})

describe('with on_invalid: skip', () => {
  it('keeps a bad line as an item that has failed, under its own id where that is one and free', () => {
    const { kept, errors, total } = read('skip', [
      { custom_id: 'a', prompt: 'x' },
      { custom_id: 'b', prompt: '' },
      { custom_id: 'a', prompt: 'y' },
      { custom_id: 'x'.repeat(129), prompt: 'x' },
      'text',
      { prompt: 'x', model: 'gpt', width: 1 },
    ])
    expect(kept.map(({ custom_id, invalid }) => [custom_id, invalid?.message])).toEqual([
      ['a', undefined],
      ['b', 'prompt must not be empty'],
      ['item-3', 'custom_id is that of items[0] too; output_key is the key of items[0] too'],
      ['item-4', 'custom_id must be at most 128 characters'],
      ['item-5', 'must be an object'],
      ['item-6', 'width must be at least 256'],
    ])
    expect(total).toBe(6)
    expect(errors).toMatchObject({ total: 5 })
    expect(errors?.data.map(({ line, custom_id, code }) => [line, custom_id, code])).toEqual([
      [2, 'b', 'too_short'],
      [3, 'a', 'duplicate_custom_id'],
      [4, 'x'.repeat(129), 'too_long'],
      [5, null, 'invalid_type'],
      [6, null, 'out_of_range'],
    ])
  })

  it('lists a hundred lines and counts all', () => {
    const items = Array.from({ length: 250 }, () => ({ prompt: '' }))
    const { errors, kept } = read('skip', items)
    expect(errors?.data).toHaveLength(100)
    expect(errors?.total).toBe(250)
    expect(kept).toHaveLength(250)
  })

  it('leaves a skipped line’s key to another item', () => {
    const { kept } = read('skip', [
      { custom_id: 'a', prompt: '', output_key: 'k.png' },
      { custom_id: 'b', prompt: 'x', output_key: 'k.png' },
    ])
    expect(kept.map(({ invalid }) => invalid !== undefined)).toEqual([true, false])
  })

  it('refuses all the same what nobody can read to its end', () => {
    const fault = { param: '', code: 'invalid_format', message: 'has a quote that is not closed' } as const
    const problem = problemOf(() =>
      readRaw('skip', [
        { line: 2, raw: { prompt: 'x' } },
        { line: 3, raw: undefined, fault, isLast: true },
      ]),
    )
    expect(problem.faults).toMatchObject([{ line: 3, index: 1 }])
  })

  it('gives every line an id of its own, whatever lines were blank or bad', () => {
    const line = fc.record({
      blanks: fc.nat({ max: 2 }),
      bad: fc.boolean(),
      id: fc.option(fc.constantFrom('item-1', 'item-2', 'item-3', 'item-4', 'item-4-2', 'a', '')),
    })
    fc.assert(
      fc.property(fc.array(line, { minLength: 1, maxLength: 12 }), (lines) => {
        let at = 0
        const raws = lines.map(({ blanks, bad, id }): RawItem => {
          at += 1 + blanks
          return { line: at, raw: { custom_id: id, prompt: bad ? '' : 'x' } }
        })
        const { kept } = readRaw('skip', raws)
        expect(kept).toHaveLength(lines.length)
        expect(new Set(kept.map(({ custom_id }) => custom_id)).size).toBe(lines.length)
        const given = new Set<string | null>(lines.map(({ id }) => id))
        for (const [index, { bad, id }] of lines.entries()) {
          if (bad || id !== null || kept[index]?.invalid === undefined) continue
          // What we name ourselves is no reason to skip an item, unless somebody else uses such a name.
          expect(
            [`item-${String(index + 1)}`, `item-${String(raws[index]?.line)}`].some((name) => given.has(name)),
          ).toBe(true)
        }
      }),
      { numRuns: 500 },
    )
  })

  it('names an item without an id by its line, once a skipped line has such a name', () => {
    const { kept } = readRaw('skip', [
      { line: 2, raw: { prompt: 'x' } },
      { line: 3, raw: { prompt: '' } },
      { line: 4, raw: { prompt: 'x' } },
    ])
    expect(kept.map(({ custom_id, invalid }) => [custom_id, invalid !== undefined])).toEqual([
      ['item-1', false],
      ['item-3', true],
      ['item-4', false],
    ])
  })
})
