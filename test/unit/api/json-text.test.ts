import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { jsonEnd, parseJson } from '../../../src/api/json-text.ts'

function detailOf(text: string | Buffer): string {
  try {
    parseJson(Buffer.from(text))
    return 'is JSON'
  } catch (error) {
    return (error as Error).message
  }
}

describe('parseJson', () => {
  it('reads JSON, with a byte order mark too, and lets the last of two equal keys count', () => {
    expect(parseJson(Buffer.from('\ufeff{"a":1,"a":2}'))).toEqual({ a: 2 })
  })

  it.each([
    ['{"items": [', 'The body ends too early at line 1, column 12 (character 11).'],
    ['{"a": secret}', 'The body is not JSON at line 1, column 7 (character 6).'],
    ['{"a": 1,\n  "b": tru }', 'The body is not JSON at line 2, column 8 (character 16).'],
    ['', 'The body ends too early at line 1, column 1 (character 0).'],
    ['{"a":1} x', 'The body is not JSON at line 1, column 9 (character 8).'],
    ['{"a":"\\u12x4"}', 'The body is not JSON at line 1, column 7 (character 6).'],
    ["{'a':1}", 'The body is not JSON at line 1, column 2 (character 1).'],
    ['[1,]', 'The body is not JSON at line 1, column 4 (character 3).'],
    ['{"a":1,}', 'The body is not JSON at line 1, column 8 (character 7).'],
    ['NaN', 'The body is not JSON at line 1, column 1 (character 0).'],
  ])('says where %j stops being JSON, and nothing of what is there', (text, detail) => {
    expect(detailOf(text)).toBe(detail)
  })

  it('refuses what is not UTF-8', () => {
    expect(detailOf(Buffer.from([0x22, 0xff, 0x22]))).toBe('The body is not UTF-8.')
  })

  it('refuses what is nested 10,000 deep in less than 50 ms, but takes braces in strings', () => {
    const startedMs = performance.now()
    expect(detailOf('['.repeat(10_000) + ']'.repeat(10_000))).toContain('nested deeper than 64')
    expect(detailOf(`{"items":${'{"a":'.repeat(10_000)}`)).toContain('nested deeper than 64')
    expect(performance.now() - startedMs).toBeLessThan(50)
    expect(parseJson(Buffer.from(JSON.stringify({ a: '[{'.repeat(1_000), '"\\[': '\\"[' })))).toHaveProperty('a')
    expect(parseJson(Buffer.from('['.repeat(64) + ']'.repeat(64)))).toHaveLength(1)
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
