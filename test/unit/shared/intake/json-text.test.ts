import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { jsonEnd, readJson } from '../../../../src/shared/intake/json-text.ts'

function faultOf(text: string | Buffer): string {
  const read = readJson(Buffer.from(text))
  if ('value' in read) return 'is JSON'
  const { fault, at } = read
  return at === undefined ? fault : `${fault} ${String(at.line)}:${String(at.column)} ${String(at.offset)}`
}

describe('readJson', () => {
  it('reads JSON, with a byte order mark too, and lets the last of two equal keys count', () => {
    expect(readJson(Buffer.from('\ufeff{"a":1,"a":2}'))).toEqual({ value: { a: 2 } })
  })

  it.each([
    ['{"items": [', 'ends too early 1:12 11'],
    ['{"a": secret}', 'is not JSON 1:7 6'],
    ['{"a": 1,\n  "b": tru }', 'is not JSON 2:8 16'],
    ['', 'ends too early 1:1 0'],
    ['{"a":1} x', 'is not JSON 1:9 8'],
    ['{"a":"\\u12x4"}', 'is not JSON 1:7 6'],
    ["{'a':1}", 'is not JSON 1:2 1'],
    ['[1,]', 'is not JSON 1:4 3'],
    ['{"a":1,}', 'is not JSON 1:8 7'],
    ['NaN', 'is not JSON 1:1 0'],
  ])('says where %j stops being JSON, and nothing of what is there', (text, fault) => {
    expect(faultOf(text)).toBe(fault)
  })

  it('refuses what is not UTF-8', () => {
    expect(faultOf(Buffer.from([0x22, 0xff, 0x22]))).toBe('is not UTF-8')
  })

  it('refuses what is nested 10,000 deep in less than 50 ms, but takes braces in strings', () => {
    const startedMs = performance.now()
    expect(faultOf('['.repeat(10_000) + ']'.repeat(10_000))).toBe('is nested deeper than 64 levels')
    expect(faultOf(`{"items":${'{"a":'.repeat(10_000)}`)).toBe('is nested deeper than 64 levels')
    expect(performance.now() - startedMs).toBeLessThan(50)
    expect(faultOf(JSON.stringify({ a: '[{'.repeat(1_000), '"\\[': '\\"[' }))).toBe('is JSON')
    expect(faultOf('['.repeat(64) + ']'.repeat(64))).toBe('is JSON')
    expect(faultOf('['.repeat(65) + ']'.repeat(65))).toContain('nested deeper')
  })
})

function isJson(text: string): boolean {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}

describe('jsonEnd', () => {
  it('is the length of a JSON text, and of any other the end of what could become one', () => {
    const put = fc.constantFrom('"', '{', ']', ',', 'x', '\\', '1', '\n', '')
    fc.assert(
      fc.property(fc.json(), fc.nat(), put, (json, at, letter) => {
        const place = at % (json.length + 1)
        const other = json.slice(0, place) + letter + json.slice(place + 1)
        const end = jsonEnd(other)
        expect(jsonEnd(json)).toBe(json.length)
        expect(jsonEnd(other.slice(0, end))).toBe(end)
        if (end < other.length) expect(isJson(other)).toBe(false)
        if (isJson(other)) expect(end).toBe(other.length)
      }),
      { numRuns: 2_000 },
    )
  })
})
