import { z } from 'zod'
import { asFault, faultsOf, grouped, type Fault } from './fault.ts'
import { extra, fields, map, metadata, notBuilt } from './json-object.ts'
import { spokenText, text, textFault } from './text.ts'

/** Longest item, in bytes of JSON; also the longest line or row of an upload. */
export const itemBytesMax = 1024 * 1024
const fieldsBytesMax = 64 * 1024

const side = z.int().min(256).max(2048)

const images = notBuilt('image inputs')

/** Parameters of Runcrate's call beside model and prompt; sizes and steps within its own documented ranges. */
const imageParameters = {
  aspect_ratio: z
    .string()
    .refine((ratio) => /^[1-9][0-9]{0,3}:[1-9][0-9]{0,3}$/.test(ratio), {
      ...asFault('invalid_format', 'must be a ratio such as 16:9'),
    })
    .optional(),
  width: side.optional(),
  height: side.optional(),
  // Whole and within what JSON's readers do not round.
  seed: z.int().optional(),
  num_inference_steps: z.int().min(1).max(100).optional(),
  guidance: z.number().optional(),
  negative_prompt: text(0, 10_000).optional(),
  response_format: z.enum(['url', 'b64_json']).optional(),
}

const notBuiltParameters = {
  image: images,
  images,
  input_images: images,
  control_image: images,
  prompt_strength: images,
}

const n = z
  .int()
  .min(1)
  .max(10)
  .refine((count) => count === 1, asFault('unsupported', 'above 1 is not supported yet'))
  .optional()

const reserved = [...Object.keys(imageParameters), ...Object.keys(notBuiltParameters), 'model', 'prompt', 'n']

const asked = {
  model: text(1, 200).optional(),
  ...imageParameters,
  n,
  extra: extra(reserved).optional(),
  ...notBuiltParameters,
}

/** `defaults` of a batch: what an item's own values win over. */
export const itemDefaults = fields(asked)
export type ItemDefaults = z.output<typeof itemDefaults>

const templateValue = z.custom<string | number | boolean>().superRefine((value, context) => {
  const fault = templateValueFault(value)
  if (fault !== undefined) context.addIssue({ code: 'custom', ...fault })
})

function templateValueFault(value: unknown): ReturnType<typeof asFault> | undefined {
  if (typeof value === 'string') return textFault(value, 0, fieldsBytesMax)
  if (typeof value === 'boolean') return undefined
  if (typeof value !== 'number') return asFault('invalid_type', 'must be a string, a number or a boolean')
  return Number.isFinite(value) ? undefined : asFault('out_of_range', 'is a number too large')
}

/** What a template may be filled with. */
const templateFields = map(templateValue).refine(
  (values) => Buffer.byteLength(JSON.stringify(values)) <= fieldsBytesMax,
  asFault('too_long', `must be at most ${grouped(fieldsBytesMax)} bytes of JSON`),
)

const itemFields = {
  prompt: spokenText(10_000).optional(),
  ...asked,
  fields: templateFields.optional(),
  output_key: text(1, 2_000).optional(),
  metadata: metadata.optional(),
}

const customId = text(1, 128).optional()
const plainItem = fields({ custom_id: customId, ...itemFields })
export type ItemInput = z.output<typeof plainItem>

/** Columns of a CSV upload that are fields of an item. What a field holds by names has a column for each name. */
export const itemFieldNames: readonly string[] = ['custom_id', ...Object.keys(itemFields)].filter(
  (name) => name !== 'fields' && name !== 'metadata',
)

/** OpenAI's line of a batch: the same item with its request inside. */
const openaiLine = fields({
  custom_id: customId,
  method: z.literal('POST'),
  url: z
    .string()
    .refine((url) => url === '/v1/images/generations', asFault('unsupported', 'must be /v1/images/generations')),
  body: fields(itemFields),
})

export interface ParsedItem {
  /** Undefined where there is a fault. */
  readonly item: ItemInput | undefined
  /** `body.` in OpenAI's form: in front of the names of fields. */
  readonly under: '' | 'body.'
  readonly faults: Fault[]
}

/** Reads one item in either form. */
export function parseItem(raw: unknown): ParsedItem {
  if (typeof raw !== 'object' || raw === null || Array.isArray(raw)) {
    return { item: undefined, under: '', faults: [{ param: '', code: 'invalid_type', message: 'must be an object' }] }
  }
  const isLine = ['method', 'url', 'body'].some((name) => Object.hasOwn(raw, name))
  const under = isLine ? 'body.' : ''
  const parsed = isLine ? openaiLine.safeParse(raw) : plainItem.safeParse(raw)
  const inner = isLine && 'body' in raw ? raw.body : raw
  const faults = [
    ...(parsed.success ? [] : faultsOf(parsed.error, raw)),
    ...sizeFaults(inner, under),
    ...lengthFaults(raw, inner, under),
  ]
  if (!parsed.success || faults.length > 0) return { item: undefined, under, faults }
  const { data } = parsed
  return { item: 'body' in data ? { custom_id: data.custom_id, ...data.body } : data, under, faults }
}

/** `aspect_ratio` and `width` or `height` in one place contradict each other. */
export function sizeFaults(place: unknown, under: string): Fault[] {
  if (typeof place !== 'object' || place === null) return []
  const given = (name: string): boolean => (Reflect.get(place, name) ?? undefined) !== undefined
  if (!given('aspect_ratio') || !(given('width') || given('height'))) return []
  const message = 'cannot stand beside width or height: give one or the other'
  return [{ param: `${under}aspect_ratio`, code: 'invalid_format', message }]
}

/** Only `extra` has no limit of its own. */
function lengthFaults(raw: object, inner: unknown, under: string): Fault[] {
  if (typeof inner !== 'object' || inner === null || !Object.hasOwn(inner, 'extra')) return []
  if (Buffer.byteLength(JSON.stringify(raw)) <= itemBytesMax) return []
  return [
    { param: `${under}extra`, code: 'too_long', message: `makes the item longer than ${grouped(itemBytesMax)} bytes` },
  ]
}
