import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ApiProblem } from '../../../../src/shared/contract/problem.ts'
import { readNdjson } from '../../../../src/shared/intake/ndjson.ts'
import type { RawItem } from '../../../../src/shared/intake/raw-item.ts'

async function read(pieces: Iterable<Buffer | string>): Promise<RawItem[]> {
  async function* source(): AsyncGenerator<Buffer> {
    for (const piece of pieces) yield await Promise.resolve(Buffer.from(piece))
  }
  const items: RawItem[] = []
  for await (const few of readNdjson(source())) items.push(...few)
  return items
}

describe('NDJSON', () => {
  it('is an item a line, blank lines left out, with the physical line of each', async () => {
    expect(await read(['\ufeff{"a":1}\r\n\n', ' \t\n{"b"', ':2}\n[3]'])).toEqual([
      { line: 1, raw: { a: 1 } },
      { line: 4, raw: { b: 2 } },
      { line: 5, raw: [3] },
    ])
    expect(await read([])).toEqual([])
  })

  it('has the values that were written, wherever it is cut', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.jsonValue()), fc.array(fc.nat(), { maxLength: 5 }), async (values, cuts) => {
        const bytes = Buffer.from(values.map((value) => `${JSON.stringify(value)}\n`).join(''))
        const places = [0, ...cuts.map((cut) => cut % (bytes.length + 1)).toSorted((a, b) => a - b), bytes.length]
        const items = await read(places.slice(1).map((to, at) => bytes.subarray(places[at], to)))
        const expected = values.map((value) => JSON.parse(JSON.stringify(value)) as unknown)
        expect(items.map(({ raw }) => raw)).toEqual(expected)
        expect(items.map(({ line }) => line)).toEqual(values.map((_, at) => at + 1))
      }),
      { numRuns: 300 },
    )
  })

  it('says of a bad line what is wrong, and reads on', async () => {
    const items = await read(['{"a":1}\n{"a": hunter2}\n', Buffer.from([0x22, 0xff, 0x22, 0x0a]), '{"a":', '\n7'])
    expect(items.map(({ line, fault }) => [line, fault?.code, fault?.message])).toEqual([
      [1, undefined, undefined],
      [2, 'invalid_json', 'is not JSON at column 7'],
      [3, 'invalid_json', 'is not UTF-8'],
      [4, 'invalid_json', 'ends too early at column 6'],
      [5, undefined, undefined],
    ])
  })

  it('takes a line of 1 MiB and no byte more', async () => {
    const line = (bytes: number): string => `"${'x'.repeat(bytes - 2)}"\n`
    const items = await read([line(1_048_576), line(1_048_577), '1'])
    expect(items.map(({ fault }) => fault?.code)).toEqual([undefined, 'too_long', undefined])
  })

  it('gives up where there is next to nothing but blanks', async () => {
    const blanks = Buffer.alloc(1024 * 1024, '\n')
    await read(Array.from({ length: 16 }, () => blanks))
    const problem: unknown = await read(Array.from({ length: 40 }, () => blanks)).catch((error: unknown) => error)
    expect(problem instanceof ApiProblem && problem.status).toBe(413)
    const endless = Array.from({ length: 40 }, () => Buffer.alloc(1024 * 1024, 'x'))
    expect(await read(endless).catch((error: unknown) => (error as ApiProblem).status)).toBe(413)
  })
})
