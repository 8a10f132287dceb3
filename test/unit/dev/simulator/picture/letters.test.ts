import { describe, expect, it } from 'vitest'
import { textWidth, wrap } from '../../../../../src/dev/simulator/picture/letters.ts'

const pen = { unit: 2, radius: 0.5 }

describe('wrap', () => {
  it('keeps every line within the width, and every letter', () => {
    const text =
      'A minimalist product photo of wireless earbuds, Supercalifragilisticexpialidocious, on a marble surface'
    const lines = wrap(text, 140, pen)
    expect(lines.length).toBeGreaterThan(3)
    for (const line of lines) expect(textWidth(line, pen)).toBeLessThanOrEqual(140)
    expect(lines.join('').replaceAll(' ', '')).toBe(text.replaceAll(' ', ''))
  })

  it('has no lines where there is no text', () => {
    expect(wrap('  ', 100, pen)).toEqual([])
  })
})

it('letters with accents are as wide as those without', () => {
  expect(textWidth('Café', pen)).toBe(textWidth('Cafe', pen))
})
