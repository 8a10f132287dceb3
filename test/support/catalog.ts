/** Small pictures: what counts in these tests is how many there are. */
export const small = { model: 'black-forest-labs/FLUX.1-schnell', width: 256, height: 256 }

/** So many items with prompts of their own; `custom_id` tells the place. */
export function items(count: number, prompt = 'A shoe on white'): { custom_id: string; prompt: string }[] {
  return Array.from({ length: count }, (_, at) => ({
    custom_id: `sku-${String(at)}`,
    prompt: `${prompt}, no. ${String(at)}`,
  }))
}
