import { z } from 'zod'
import { commonRatios, megapixels, type Size } from './sizes.ts'

/** Request fields beside `model` and `prompt`, as Runcrate spells them. */
const parameter = z.enum([
  'aspect_ratio',
  'width',
  'height',
  'seed',
  'response_format',
  'num_inference_steps',
  'guidance',
  'negative_prompt',
  'image',
  'input_image',
  'input_images',
  'control_image',
  'mask',
  'prompt_strength',
])
const range = z.strictObject({ min: z.number(), max: z.number(), default: z.number().optional() })
const side = z.strictObject({ min: z.int(), max: z.int(), multiple_of: z.int().optional() })

/** What is known of one model. It drives what intake checks, what a call is expected to cost, and the simulator. */
export const modelRow = z.strictObject({
  id: z.string().regex(/^[^/\s]+\/[^/\s]+$/),
  family: z.string(),
  /** Other spellings, of the upstreams. An alias selects limits and price; the id is sent as it was written. */
  aliases: z.array(z.string()),
  takes: z.array(parameter),
  requires: z.array(parameter),
  /** What the model's maker documents. Runcrate's own ranges (`runcrateLimits`) hold for every model. */
  limits: z.strictObject({
    aspect_ratio: z.array(z.string()),
    width: side.optional(),
    height: side.optional(),
    num_inference_steps: range.optional(),
    guidance: range.optional(),
    seed: range.optional(),
    input_images: z.strictObject({ max: z.int() }).optional(),
  }),
  /** Estimated price of an image, or of its first megapixel, in nano-dollars; null where unknown. */
  priceNano: z.int().nullable(),
  /** Each further megapixel, of the output and of inputs; absent where it costs as much as the first. */
  priceFurtherNano: z.int().optional(),
  priceUnit: z.enum(['image', 'megapixel']),
  source: z.string(),
})
export type ModelRow = z.infer<typeof modelRow>

/** Ranges that Runcrate documents for all models (runcrate.ai/docs/api-reference/images/image-generation). */
export const runcrateLimits = {
  width: { min: 256, max: 2048 },
  height: { min: 256, max: 2048 },
  num_inference_steps: { min: 1, max: 100 },
  seed: { min: 0, max: 4_294_967_295 },
  input_images: { max: 8 },
} as const

const onProductPage = 'runcrate.ai product page'
const inSdk = 'id: @runcrate/ai model list; limits and price: upstream'
const unconfirmed = 'id: upstream spelling, unconfirmed at Runcrate; limits and price: upstream'

const followsImage = ['seed', 'response_format'] as const
const text = ['aspect_ratio', 'width', 'height', 'seed', 'response_format'] as const
const steered = [...text, 'num_inference_steps', 'guidance'] as const
const ratios = [...commonRatios]
const proSide = { min: 256, max: 1440, multiple_of: 32 }
const sd35Ratios = commonRatios.filter((ratio) => ratio !== '4:3' && ratio !== '3:4')
const ideogramLimits = {
  aspect_ratio: [...commonRatios, '16:10', '10:16', '3:1', '1:3'],
  seed: { min: 0, max: 2_147_483_647 },
}

/** Prices, limits and spellings are estimates of 2026; only FLUX.1-schnell's are on a page of Runcrate's own. */
export const models: readonly ModelRow[] = [
  {
    id: 'black-forest-labs/FLUX.1-schnell',
    family: 'FLUX.1 schnell',
    aliases: ['black-forest-labs/flux-schnell'],
    takes: [...text, 'num_inference_steps'],
    requires: [],
    limits: { aspect_ratio: ratios, num_inference_steps: { min: 1, max: 4, default: 4 } },
    priceNano: 3_000_000,
    priceUnit: 'megapixel',
    source: onProductPage,
  },
  {
    id: 'black-forest-labs/FLUX.1-dev',
    family: 'FLUX.1 dev',
    aliases: ['black-forest-labs/flux-dev'],
    takes: [...steered, 'image', 'prompt_strength'],
    requires: [],
    limits: {
      aspect_ratio: ratios,
      num_inference_steps: { min: 1, max: 50, default: 28 },
      guidance: { min: 0, max: 10, default: 3 },
    },
    priceNano: 25_000_000,
    priceUnit: 'megapixel',
    source: inSdk,
  },
  {
    id: 'black-forest-labs/FLUX.1-krea-dev',
    family: 'FLUX.1 Krea',
    aliases: ['black-forest-labs/flux-krea-dev'],
    takes: [...steered, 'image', 'prompt_strength'],
    requires: [],
    limits: {
      aspect_ratio: ratios,
      num_inference_steps: { min: 1, max: 50, default: 28 },
      guidance: { min: 0, max: 10, default: 3 },
    },
    priceNano: 25_000_000,
    priceUnit: 'megapixel',
    source: unconfirmed,
  },
  {
    id: 'black-forest-labs/FLUX.1-canny-pro',
    family: 'FLUX.1 Canny',
    aliases: ['black-forest-labs/flux-canny-pro'],
    takes: [...followsImage, 'num_inference_steps', 'guidance', 'control_image'],
    requires: ['control_image'],
    limits: {
      aspect_ratio: [],
      num_inference_steps: { min: 15, max: 50, default: 50 },
      guidance: { min: 1, max: 100, default: 30 },
    },
    priceNano: 50_000_000,
    priceUnit: 'image',
    source: unconfirmed,
  },
  {
    id: 'black-forest-labs/FLUX.1-canny-dev',
    family: 'FLUX.1 Canny',
    aliases: ['black-forest-labs/flux-canny-dev'],
    takes: [...followsImage, 'num_inference_steps', 'guidance', 'control_image'],
    requires: ['control_image'],
    limits: {
      aspect_ratio: [],
      num_inference_steps: { min: 1, max: 50, default: 28 },
      guidance: { min: 0, max: 100, default: 30 },
    },
    priceNano: 25_000_000,
    priceUnit: 'image',
    source: unconfirmed,
  },
  {
    id: 'black-forest-labs/FLUX.1-pro',
    family: 'FLUX Pro',
    aliases: ['black-forest-labs/flux-pro'],
    takes: [...steered],
    requires: [],
    limits: {
      aspect_ratio: ratios,
      width: proSide,
      height: proSide,
      num_inference_steps: { min: 1, max: 50, default: 40 },
      guidance: { min: 1.5, max: 5, default: 2.5 },
    },
    priceNano: 55_000_000,
    priceUnit: 'image',
    source: inSdk,
  },
  {
    id: 'black-forest-labs/FLUX.1.1-pro',
    family: 'FLUX Pro',
    aliases: ['black-forest-labs/flux-1.1-pro'],
    takes: [...text],
    requires: [],
    limits: { aspect_ratio: ratios, width: proSide, height: proSide },
    priceNano: 40_000_000,
    priceUnit: 'image',
    source: inSdk,
  },
  {
    id: 'black-forest-labs/FLUX.2-pro',
    family: 'FLUX.2 Pro',
    aliases: ['black-forest-labs/flux-2-pro'],
    takes: [...text, 'input_images'],
    requires: [],
    limits: {
      aspect_ratio: ratios,
      width: { min: 256, max: 2048, multiple_of: 16 },
      height: { min: 256, max: 2048, multiple_of: 16 },
      input_images: { max: 8 },
    },
    priceNano: 30_000_000,
    priceFurtherNano: 15_000_000,
    priceUnit: 'megapixel',
    source: unconfirmed,
  },
  {
    id: 'black-forest-labs/FLUX.1-kontext-pro',
    family: 'FLUX.1 Kontext',
    aliases: ['black-forest-labs/flux-kontext-pro'],
    takes: [...text, 'image', 'input_image'],
    requires: [],
    limits: { aspect_ratio: ratios },
    priceNano: 40_000_000,
    priceUnit: 'image',
    source: `${onProductPage}; price: upstream`,
  },
  {
    id: 'black-forest-labs/FLUX.1-kontext-max',
    family: 'FLUX.1 Kontext',
    aliases: ['black-forest-labs/flux-kontext-max'],
    takes: [...text, 'image', 'input_image'],
    requires: [],
    limits: { aspect_ratio: ratios },
    priceNano: 80_000_000,
    priceUnit: 'image',
    source: unconfirmed,
  },
  {
    id: 'black-forest-labs/FLUX.1-kontext-dev',
    family: 'FLUX.1 Kontext',
    aliases: ['black-forest-labs/flux-kontext-dev'],
    takes: [...steered, 'image', 'input_image'],
    requires: [],
    limits: {
      aspect_ratio: ratios,
      num_inference_steps: { min: 1, max: 50, default: 28 },
      guidance: { min: 0, max: 10, default: 2.5 },
    },
    priceNano: 25_000_000,
    priceUnit: 'image',
    source: unconfirmed,
  },
  {
    id: 'stabilityai/sd3.5-large',
    family: 'Stable Diffusion 3.5',
    aliases: ['stability-ai/stable-diffusion-3.5-large'],
    takes: [...steered, 'negative_prompt', 'image', 'prompt_strength'],
    requires: [],
    limits: {
      aspect_ratio: sd35Ratios,
      num_inference_steps: { min: 1, max: 50, default: 28 },
      guidance: { min: 1, max: 10, default: 5 },
    },
    priceNano: 65_000_000,
    priceUnit: 'image',
    source: inSdk,
  },
  {
    id: 'stabilityai/sd3.5-large-turbo',
    family: 'Stable Diffusion 3.5',
    aliases: ['stability-ai/stable-diffusion-3.5-large-turbo'],
    takes: [...steered, 'negative_prompt'],
    requires: [],
    limits: {
      aspect_ratio: sd35Ratios,
      num_inference_steps: { min: 1, max: 10, default: 4 },
      guidance: { min: 0, max: 20, default: 1 },
    },
    priceNano: 40_000_000,
    priceUnit: 'image',
    source: inSdk,
  },
  {
    id: 'stabilityai/sd3.5-medium',
    family: 'Stable Diffusion 3.5',
    aliases: ['stability-ai/stable-diffusion-3.5-medium'],
    takes: [...steered, 'negative_prompt', 'image', 'prompt_strength'],
    requires: [],
    limits: {
      aspect_ratio: sd35Ratios,
      num_inference_steps: { min: 1, max: 50, default: 40 },
      guidance: { min: 1, max: 10, default: 5 },
    },
    priceNano: 35_000_000,
    priceUnit: 'image',
    source: unconfirmed,
  },
  {
    id: 'ideogram-ai/ideogram-v2',
    family: 'Ideogram v2',
    aliases: [],
    takes: [...text, 'negative_prompt', 'image', 'mask'],
    requires: [],
    limits: ideogramLimits,
    priceNano: 80_000_000,
    priceUnit: 'image',
    source: inSdk,
  },
  {
    id: 'ideogram-ai/ideogram-v2-turbo',
    family: 'Ideogram v2',
    aliases: [],
    takes: [...text, 'negative_prompt', 'image', 'mask'],
    requires: [],
    limits: ideogramLimits,
    priceNano: 50_000_000,
    priceUnit: 'image',
    source: inSdk,
  },
  {
    id: 'recraft-ai/recraft-v3',
    family: 'Recraft v3',
    aliases: [],
    takes: [...text],
    requires: [],
    limits: { aspect_ratio: ratios },
    priceNano: 40_000_000,
    priceUnit: 'image',
    source: inSdk,
  },
  {
    id: 'stabilityai/stable-diffusion-xl-base-1.0',
    family: 'Stable Diffusion XL',
    aliases: [],
    takes: [...steered, 'negative_prompt'],
    requires: [],
    limits: { aspect_ratio: ratios },
    priceNano: null,
    priceUnit: 'image',
    source: 'id: @runcrate/ai model list; price unknown',
  },
]

const byName = new Map(models.flatMap((row) => [row.id, ...row.aliases].map((name) => [name, row] as const)))

/** The row of a model by its id or an alias, letter for letter; undefined where the catalogue does not know it. */
export function findModel(name: string): ModelRow | undefined {
  return byName.get(name)
}

/** What one image of this size is expected to cost, in nano-dollars; null where nobody knows. */
export function priceNano(
  row: ModelRow | undefined,
  image: Size & { readonly inputMegapixels?: number | undefined },
): number | null {
  const firstNano = row?.priceNano ?? null
  if (row === undefined || firstNano === null || row.priceUnit === 'image') return firstNano
  const further = megapixels(image) - 1 + (image.inputMegapixels ?? 0)
  return firstNano + further * (row.priceFurtherNano ?? firstNano)
}
