import { describe, expect, it } from 'vitest'
import { catalogRequest, expectedUsd, products } from '../../../../src/dev/demo/products.ts'
import { parseBatchRequest } from '../../../../src/shared/contract/batch-request.ts'

describe('the catalog', () => {
  it('is that of the product page, letter for letter', () => {
    expect(products.map(({ name, customId, prompt }) => [name, `${customId}.png`, prompt])).toEqual([
      ['Running Shoe', 'running-shoe.png', 'A sleek running shoe, white background, studio lighting'],
      ['Backpack', 'backpack.png', 'A modern laptop backpack, minimalist, product photography'],
      ['Watch', 'watch.png', 'A luxury watch on marble surface, soft shadows'],
      ['Sunglasses', 'sunglasses.png', 'Designer sunglasses on a reflective surface, dramatic lighting'],
      ['Headphones', 'headphones.png', 'Over-ear headphones floating, dark background, rim lighting'],
    ])
    expect(expectedUsd(5)).toBe('0.015')
  })

  it('is a batch that the API takes, and gives the model no parameter but the prompt', () => {
    expect(parseBatchRequest(catalogRequest('http://127.0.0.1:1/'))).toMatchObject({
      request: { defaults: { model: 'black-forest-labs/FLUX.1-schnell' } },
    })
  })
})
