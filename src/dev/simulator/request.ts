import { createHash } from 'node:crypto'
import { findModel, priceNano, runcrateLimits, type ModelRow } from '../../shared/models/catalogue.ts'
import { megapixels, outputSize, type Size } from '../../shared/models/sizes.ts'
import { readInput, type InputImage } from './input-image.ts'
import { Refusal } from './refusal.ts'

/** A call's body, understood. */
export interface GenerationRequest {
  /** As sent: it is part of the fingerprint. */
  readonly model: string
  readonly row: ModelRow
  readonly prompt: string
  readonly negativePrompt: string | undefined
  readonly seed: number | undefined
  readonly size: Size
  readonly steps: number | undefined
  readonly guidance: number | undefined
  readonly inputs: readonly InputImage[]
  readonly n: number
  readonly form: 'url' | 'b64_json'
  /** Of one image; 0 where the catalogue has no price. */
  readonly priceNano: number
  /** SHA-256 of all that makes the picture what it is; equal bodies have equal ones. */
  readonly fingerprint: string
  /** Fields that the model does not take or nobody knows. */
  readonly ignored: readonly string[]
  /** Undocumented spellings that were taken: camelCase, `size`, `n`. */
  readonly noted: readonly string[]
}

const camelCase: Readonly<Record<string, string>> = {
  aspectRatio: 'aspect_ratio',
  numInferenceSteps: 'num_inference_steps',
  responseFormat: 'response_format',
  negativePrompt: 'negative_prompt',
  promptStrength: 'prompt_strength',
  inputImage: 'input_image',
  inputImages: 'input_images',
  controlImage: 'control_image',
}
const alwaysTaken = ['model', 'prompt', 'n', 'size']
const imageFields = ['image', 'input_image', 'control_image', 'mask'] as const

/** Reads the body of a call as the service would. Throws a Refusal. */
export function readGeneration(body: unknown): GenerationRequest {
  if (typeof body !== 'object' || body === null || Array.isArray(body)) throw invalid('The body must be a JSON object.')
  const { fields, noted } = snakeCased(body)
  const model = required(fields, 'model')
  const prompt = required(fields, 'prompt')
  const row = findModel(model) ?? (model.startsWith('sim/') ? findModel('black-forest-labs/FLUX.1-schnell') : undefined)
  if (row === undefined) throw new Refusal(404, 'model_not_found', `The model '${model}' does not exist.`, 'model')

  const ignored = Object.keys(fields).filter(
    (name) => !alwaysTaken.includes(name) && !row.takes.some((t) => t === name),
  )
  const taken = Object.fromEntries(Object.entries(fields).filter(([name]) => !ignored.includes(name)))
  for (const name of row.requires)
    if (taken[name] === undefined) throw unprocessable(`${model} needs \`${name}\`.`, name)
  integer(fields, 'width', runcrateLimits.width)
  integer(fields, 'height', runcrateLimits.height)
  integer(fields, 'num_inference_steps', runcrateLimits.num_inference_steps)

  const inputs = inputImages(taken, row)
  const size = pictureSize(taken, row, inputs)
  const read = {
    model,
    row,
    prompt,
    inputs,
    size,
    negativePrompt: text(taken, 'negative_prompt'),
    seed: integer(taken, 'seed', row.limits.seed ?? runcrateLimits.seed),
    steps: integer(taken, 'num_inference_steps', row.limits.num_inference_steps),
    guidance: number(taken, 'guidance', row.limits.guidance),
    n: integer(fields, 'n', { min: 1, max: 10 }) ?? 1,
    form: oneOf(taken, 'response_format', ['url', 'b64_json'] as const) ?? 'url',
  }
  number(taken, 'prompt_strength', { min: 0, max: 1 })
  const inputMegapixels = inputs.reduce(
    (sum, input) => sum + megapixels(input.size ?? { width: 1024, height: 1024 }),
    0,
  )
  return {
    ...read,
    priceNano: priceNano(row, { ...size, inputMegapixels }) ?? 0,
    fingerprint: digest(makings(read, read.seed)),
    ignored,
    noted: [...noted, ...['size', 'n'].filter((name) => fields[name] !== undefined)],
  }
}

type Makings = Omit<GenerationRequest, 'priceNano' | 'fingerprint' | 'ignored' | 'noted'>

/** All that makes the picture what it is, in one order. */
function makings(read: Makings, seed: number | undefined): object {
  return {
    model: read.model,
    prompt: read.prompt,
    negative_prompt: read.negativePrompt ?? null,
    seed: seed ?? null,
    width: read.size.width,
    height: read.size.height,
    steps: read.steps ?? null,
    guidance: read.guidance ?? null,
    inputs: read.inputs.map(({ sha256 }) => sha256),
  }
}

/** The digest of one picture of a call: equal digests, equal bytes. */
export function pictureDigest(request: GenerationRequest, seed: number, index: number): string {
  return digest({ ...makings(request, seed), index })
}

/** SHA-256 of a value's JSON, hex. */
function digest(value: unknown): string {
  return createHash('sha256').update(JSON.stringify(value)).digest('hex')
}

type Fields = Record<string, unknown>

function snakeCased(body: object): { fields: Fields; noted: string[] } {
  const fields: Fields = {}
  const noted: string[] = []
  for (const [name, value] of Object.entries(body)) {
    const known = Object.hasOwn(camelCase, name) ? camelCase[name] : undefined
    if (known !== undefined) noted.push(name)
    if (value !== null) fields[known ?? name] ??= value
  }
  return { fields, noted }
}

function required(fields: Fields, name: string): string {
  const value = fields[name]
  if (value === undefined || value === '')
    throw new Refusal(400, 'missing_required_parameter', `Missing required parameter: '${name}'.`, name)
  if (typeof value !== 'string') throw invalid(`\`${name}\` must be a string.`, name)
  return value
}

function text(fields: Fields, name: string): string | undefined {
  const value = fields[name]
  if (value !== undefined && typeof value !== 'string') throw unprocessable(`\`${name}\` must be a string.`, name)
  return value
}

function oneOf<Value extends string>(fields: Fields, name: string, values: readonly Value[]): Value | undefined {
  const given = text(fields, name)
  const found = values.find((value) => value === given)
  if (given !== undefined && found === undefined)
    throw unprocessable(`\`${name}\` must be one of ${values.join(', ')}.`, name)
  return found
}

function number(fields: Fields, name: string, range?: { min: number; max: number }): number | undefined {
  const value = fields[name]
  if (value === undefined) return undefined
  if (typeof value !== 'number') throw unprocessable(`\`${name}\` must be a number.`, name)
  if (range !== undefined && (value < range.min || value > range.max))
    throw unprocessable(`\`${name}\` must be between ${String(range.min)} and ${String(range.max)}.`, name)
  return value
}

function integer(fields: Fields, name: string, range?: { min: number; max: number }): number | undefined {
  const value = number(fields, name, range)
  if (value !== undefined && !Number.isSafeInteger(value)) throw unprocessable(`\`${name}\` must be an integer.`, name)
  return value
}

function inputImages(taken: Fields, row: ModelRow): InputImage[] {
  const many = taken['input_images'] ?? []
  const max = row.limits.input_images?.max ?? runcrateLimits.input_images.max
  if (!Array.isArray(many) || many.length > max)
    throw unprocessable(`\`input_images\` must be a list of at most ${String(max)}.`, 'input_images')
  const named = imageFields.flatMap((name) => (taken[name] === undefined ? [] : [[name, taken[name]] as const]))
  // Kontext's input has two names, and clients send both with one value.
  const single = named.filter(([, value], index) => named.findIndex(([, other]) => other === value) === index)
  return [...single, ...many.map((value: unknown) => ['input_images', value] as const)].map(([name, value]) => {
    const input = typeof value === 'string' ? readInput(value) : undefined
    if (input === undefined) throw unprocessable(`\`${name}\` is not an image that can be decoded.`, name)
    return input
  })
}

/** The size of the picture: what the request says, else the input image's, within the model's own range. */
function pictureSize(taken: Fields, row: ModelRow, inputs: readonly InputImage[]): Size {
  const ratio = oneOf(taken, 'aspect_ratio', row.limits.aspect_ratio)
  const given = /^([0-9]{1,5})x([0-9]{1,5})$/.exec(text(taken, 'size') ?? '')
  if (taken['size'] !== undefined && given === null) throw unprocessable('`size` must be WIDTHxHEIGHT.', 'size')
  const asked = {
    width: integer(taken, 'width', row.limits.width) ?? (given === null ? undefined : Number(given[1])),
    height: integer(taken, 'height', row.limits.height) ?? (given === null ? undefined : Number(given[2])),
  }
  for (const [name, side] of Object.entries(asked))
    number({ [name]: side }, name, row.limits.width ?? runcrateLimits.width)
  const first = inputs[0]?.size
  const follows =
    first !== undefined && row.takes.some((name) => name === 'control_image' || name === 'prompt_strength')
  if (follows) return fitted(first)
  const size = outputSize({ ...asked, aspect_ratio: ratio })
  const step = row.limits.width?.multiple_of ?? 1
  return { width: Math.round(size.width / step) * step, height: Math.round(size.height / step) * step }
}

/** An input's size as the open FLUX code fits it: within 1440, multiples of 16 (replicate/cog-flux, predict.py). */
function fitted({ width, height }: Size): Size {
  const scale = Math.min(1, 1440 / Math.max(width, height))
  const side = (length: number) => Math.max(16, Math.floor((length * scale) / 16) * 16)
  return { width: side(width), height: side(height) }
}

function invalid(message: string, param?: string): Refusal {
  return new Refusal(400, 'invalid_request_error', message, param)
}

function unprocessable(message: string, param: string): Refusal {
  return new Refusal(422, 'validation_error', message, param)
}
