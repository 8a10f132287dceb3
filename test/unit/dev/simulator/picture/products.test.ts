import { describe, expect, it } from 'vitest'
import { productNamed, products } from '../../../../../src/dev/simulator/picture/products.ts'

const wordsOf = (prompt: string) => productNamed(prompt)?.words[0]

describe('the product that a prompt names', () => {
  it.each([
    ['A sleek running shoe, white background, studio lighting', 'shoe'],
    ['A modern laptop backpack, minimalist, product photography', 'backpack'],
    ['A luxury watch on marble surface, soft shadows', 'watch'],
    ['Designer sunglasses on a reflective surface, dramatic lighting', 'sunglasses'],
    ['Over-ear headphones floating, dark background, rim lighting', 'headphones'],
    ['Two mugs on a table', 'mug'],
    ['A coffee table lamp, a chair beside it', 'lamp'],
    ['White background, a red chair', 'chair'],
  ])('of %j is a %s', (prompt, product) => {
    expect(wordsOf(prompt)).toBe(product)
  })

  it('is none where nothing is named', () => {
    expect(productNamed('A mountain landscape at golden hour')).toBeUndefined()
  })

  it('is named by its words alone', () => {
    const words = products.flatMap((product) => product.words)
    expect(new Set(words).size).toBe(words.length)
  })
})
