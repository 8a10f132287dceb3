import { findModel, priceNano } from '../../shared/models/catalogue.ts'
import { formatUsd } from '../../shared/money/usd.ts'

export interface Product {
  /** As people read it. */
  readonly name: string
  /** Also the name of the file: the name in small letters, with `-` for blanks. */
  readonly customId: string
  readonly prompt: string
}

/** The catalog of Runcrate's own example (runcrate.ai, image generation for e-commerce), word for word. */
export const products: readonly Product[] = [
  product('Running Shoe', 'A sleek running shoe, white background, studio lighting'),
  product('Backpack', 'A modern laptop backpack, minimalist, product photography'),
  product('Watch', 'A luxury watch on marble surface, soft shadows'),
  product('Sunglasses', 'Designer sunglasses on a reflective surface, dramatic lighting'),
  product('Headphones', 'Over-ear headphones floating, dark background, rim lighting'),
]

export const model = 'black-forest-labs/FLUX.1-schnell'

function product(name: string, prompt: string): Product {
  return { name, customId: name.toLowerCase().replaceAll(' ', '-'), prompt }
}

/** The body of `POST /v1/batches` for the catalog. Its keys are the same each time, so an unchanged image is reused. */
export function catalogRequest(webhookUrl: string): object {
  return {
    name: 'Five products',
    defaults: { model },
    output: { key: 'catalog/{{custom_id}}.{{ext}}' },
    webhook: { url: webhookUrl },
    items: products.map(({ customId, prompt, name }) => ({ custom_id: customId, prompt, fields: { name } })),
  }
}

/** What so many images of the catalog are expected to cost, in US dollars; the model makes them of 1024 x 1024. */
export function expectedUsd(images: number): string {
  return formatUsd(images * (priceNano(findModel(model), { width: 1024, height: 1024 }) ?? 0))
}
