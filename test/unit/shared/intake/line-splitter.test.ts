import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { newLineSplitter } from '../../../../src/shared/intake/line-splitter.ts'

/** Cuts bytes at these places, in any order. */
function pieces(bytes: Buffer, cuts: readonly number[]): Buffer[] {
  const places = [0, ...cuts.map((cut) => cut % (bytes.length + 1)).toSorted((a, b) => a - b), bytes.length]
  return places.slice(1).map((to, at) => bytes.subarray(places[at], to))
}

function split(text: string, cuts: readonly number[], bytesMax: number): { lines: string[]; wasted: number } {
  const splitter = newLineSplitter(bytesMax)
  const seen = [...pieces(Buffer.from(text), cuts).map((piece) => splitter.push(piece)), splitter.end()]
  const lines = seen.flat().map(({ line, bytes }) => `${String(line)}:${bytes?.toString() ?? 'too long'}`)
  return { lines, wasted: splitter.wastedBytes }
}

describe('the line splitter', () => {
  it('gives the same lines as a split of the whole, however it is cut', () => {
    const letter = fc.constantFrom('a', 'é', ' ', '\t', '\r', '\n', '\n', '\r\n', '{"x":1}')
    fc.assert(
      fc.property(
        fc.array(letter).map((letters) => letters.join('')),
        fc.array(fc.nat()),
        (text, cuts) => {
          const expected = text
            .split('\n')
            .map((line, at) => [at + 1, line.endsWith('\r') ? line.slice(0, -1) : line] as const)
            .filter(([, line]) => !/^[ \t\r]*$/.test(line))
            .map(([at, line]) => `${String(at)}:${line}`)
          expect(split(text, cuts, 1_000).lines).toEqual(expected)
        },
      ),
      { numRuns: 2_000 },
    )
  })

  it('takes a line of the longest length and no byte more, and goes on behind one that is too long', () => {
    fc.assert(
      fc.property(fc.array(fc.nat()), fc.boolean(), (cuts, windows) => {
        const end = windows ? '\r\n' : '\n'
        const text = ['x'.repeat(10), 'x'.repeat(11), 'x'.repeat(50), 'y'].join(end)
        expect(split(text, cuts, 10).lines).toEqual([`1:${'x'.repeat(10)}`, '2:too long', '3:too long', '4:y'])
      }),
    )
  })

  it('counts what is in no line', () => {
    expect(split('a\n\n  \nb', [], 10).wasted).toBe(4)
    expect(split(`${'x'.repeat(100)}\na`, [30, 60], 10).wasted).toBe(100)
  })
})
