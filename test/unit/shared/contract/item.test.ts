import { describe, expect, it } from 'vitest'
import { parseItem } from '../../../../src/shared/contract/item.ts'
import { runcrateLimits } from '../../../../src/shared/models/catalogue.ts'

const good = { custom_id: 'shoe', prompt: 'A shoe', model: 'black-forest-labs/FLUX.1-schnell' }

/** As it comes over the wire, so that `__proto__` is a key like any other. */
function faultsOf(item: unknown): string[] {
  return parseItem(item).faults.map(({ param, code }) => `${param}: ${code}`)
}

function withField(json: string): unknown {
  return { ...good, ...(JSON.parse(json) as object) }
}

describe('parseItem', () => {
  it('takes every text-to-image parameter as it was given', () => {
    const item = {
      ...good,
      width: 512,
      height: 768,
      seed: 0,
      num_inference_steps: 4,
      guidance: 3.5,
      negative_prompt: '',
      response_format: 'b64_json',
      n: 1,
      extra: { go_fast: null, nested: { a: [1, 'x'] } },
      fields: { colour: 'red', size: 43, sale: true },
      output_key: 'shop/shoe.png',
      metadata: { sku: '1' },
    }
    expect(parseItem(item)).toEqual({ item, under: '', faults: [] })
    expect(parseItem({ ...good, aspect_ratio: '16:9' }).item).toEqual({ ...good, aspect_ratio: '16:9' })
  })

  it('reads the line of an OpenAI batch as the same item', () => {
    const { custom_id, ...body } = good
    const line = { custom_id, method: 'POST', url: '/v1/images/generations', body }
    expect(parseItem(line)).toEqual({ item: good, under: 'body.', faults: [] })
    expect(faultsOf({ ...line, method: 'GET' })).toEqual(['method: out_of_range'])
    expect(faultsOf({ ...line, url: '/v1/chat/completions' })).toEqual(['url: unsupported'])
    expect(faultsOf({ ...line, prompt: 'x' })).toEqual(['prompt: unknown_field'])
    expect(faultsOf({ ...line, body: { ...body, size: '1x1' } })).toEqual(['body.size: unknown_field'])
    expect(faultsOf({ custom_id, method: 'POST', url: line.url })).toEqual(['body: missing'])
  })

  it('takes null for absent', () => {
    expect(parseItem({ ...good, seed: null, metadata: null, image: null, whatever: null }).faults).toEqual([])
    expect(parseItem({ ...good, metadata: { a: null, b: 'c' } }).item?.metadata).toEqual({ b: 'c' })
  })

  it.each([
    ['{"width":255}', 'width: out_of_range'],
    ['{"width":2049}', 'width: out_of_range'],
    ['{"width":0}', 'width: out_of_range'],
    ['{"width":-1}', 'width: out_of_range'],
    ['{"height":512.5}', 'height: invalid_type'],
    ['{"height":1000000000}', 'height: out_of_range'],
    ['{"height":"512"}', 'height: invalid_type'],
    ['{"height":1e400}', 'height: invalid_type'],
    ['{"num_inference_steps":0}', 'num_inference_steps: out_of_range'],
    ['{"num_inference_steps":101}', 'num_inference_steps: out_of_range'],
    ['{"seed":9007199254740993}', 'seed: out_of_range'],
    ['{"seed":-9007199254740993}', 'seed: out_of_range'],
    ['{"seed":1.5}', 'seed: invalid_type'],
    ['{"guidance":"high"}', 'guidance: invalid_type'],
    ['{"aspect_ratio":"wide"}', 'aspect_ratio: invalid_format'],
    ['{"aspect_ratio":"16x9"}', 'aspect_ratio: invalid_format'],
    ['{"aspect_ratio":"0:9"}', 'aspect_ratio: invalid_format'],
    ['{"response_format":"png"}', 'response_format: out_of_range'],
    ['{"prompt":""}', 'prompt: too_short'],
    ['{"prompt":" \\n\\t "}', 'prompt: too_short'],
    ['{"prompt":"a\\u0000b"}', 'prompt: invalid_format'],
    ['{"prompt":"a\\ud800b"}', 'prompt: invalid_format'],
    ['{"prompt":7}', 'prompt: invalid_type'],
    ['{"negative_prompt":"\\udc00"}', 'negative_prompt: invalid_format'],
    ['{"custom_id":""}', 'custom_id: too_short'],
    ['{"custom_id":7}', 'custom_id: invalid_type'],
    ['{"n":0}', 'n: out_of_range'],
    ['{"n":2}', 'n: unsupported'],
    ['{"n":10}', 'n: unsupported'],
    ['{"n":11}', 'n: out_of_range'],
    ['{"n":1000000}', 'n: out_of_range'],
    ['{"image":"https://example.com/a.png"}', 'image: unsupported'],
    ['{"images":[]}', 'images: unsupported'],
    ['{"input_images":["x"]}', 'input_images: unsupported'],
    ['{"control_image":"x"}', 'control_image: unsupported'],
    ['{"prompt_strength":0.5}', 'prompt_strength: unsupported'],
    ['{"steps":4}', 'steps: unknown_field'],
    ['{"aspectRatio":"1:1"}', 'aspectRatio: unknown_field'],
    ['{"tenant_id":"other"}', 'tenant_id: unknown_field'],
    ['{"cost":0}', 'cost: unknown_field'],
    ['{"status":"succeeded"}', 'status: unknown_field'],
    ['{"fields":[]}', 'fields: invalid_type'],
    ['{"fields":{"a":{"b":1}}}', 'fields.a: invalid_type'],
    ['{"fields":{"a":1e400}}', 'fields.a: out_of_range'],
    ['{"fields":{"a":"\\ud800"}}', 'fields.a: invalid_format'],
    ['{"metadata":{"a":1}}', 'metadata.a: invalid_type'],
    ['{"metadata":{"":"x"}}', 'metadata: too_short'],
    ['{"extra":[]}', 'extra: invalid_type'],
    ['{"extra":"x"}', 'extra: invalid_type'],
    ['{"extra":{"model":"a/b"}}', 'extra.model: unsupported'],
    ['{"extra":{"n":10}}', 'extra.n: unsupported'],
    ['{"extra":{"a":"\\ud800"}}', 'extra: invalid_format'],
    ['{"extra":{"a":1e400}}', 'extra: out_of_range'],
  ])('names what is wrong with %s', (json, fault) => {
    expect(faultsOf(withField(json))).toEqual([fault])
  })

  it.each([
    ['{"__proto__":{"admin":true}}', '__proto__: unknown_field'],
    ['{"constructor":{"prototype":{"admin":true}}}', 'constructor: unknown_field'],
    ['{"fields":{"__proto__":"x"}}', 'fields.__proto__: unknown_field'],
    ['{"metadata":{"__proto__":"x"}}', 'metadata.__proto__: unknown_field'],
    ['{"extra":{"a":[{"__proto__":{"admin":true}}]}}', 'extra.__proto__: unknown_field'],
  ])('keeps prototypes clean of %s', (json, fault) => {
    const item: unknown = JSON.parse(json.replace('{', `{"prompt":"A shoe","model":"a/b",`))
    expect(faultsOf(item)).toEqual([fault])
    expect(Reflect.get({}, 'admin')).toBeUndefined()
  })

  it.each(['text', 7, null, [], true])('refuses an item that is %j', (item) => {
    expect(faultsOf(item)).toEqual([': invalid_type'])
  })

  it('names every fault of an item at once', () => {
    expect(faultsOf({ prompt: '', width: 1, height: '2', nope: 3 })).toEqual([
      'prompt: too_short',
      'width: out_of_range',
      'height: invalid_type',
      'nope: unknown_field',
    ])
  })

  it('refuses a ratio beside a width or height', () => {
    expect(faultsOf({ ...good, aspect_ratio: '1:1', width: 512 })).toEqual(['aspect_ratio: invalid_format'])
    expect(faultsOf({ ...good, aspect_ratio: '1:1', height: 512 })).toEqual(['aspect_ratio: invalid_format'])
    expect(faultsOf({ ...good, aspect_ratio: '1:1', height: null })).toEqual([])
  })

  it.each<[string, (size: number) => object, number, string]>([
    ['prompt', (size) => ({ prompt: 'x'.repeat(size) }), 10_000, 'prompt: too_long'],
    ['prompt of emoji', (size) => ({ prompt: '👟'.repeat(size) }), 10_000, 'prompt: too_long'],
    ['custom_id', (size) => ({ custom_id: 'x'.repeat(size) }), 128, 'custom_id: too_long'],
    ['metadata key', (size) => ({ metadata: { ['k'.repeat(size)]: 'v' } }), 64, 'metadata: too_long'],
    ['metadata value', (size) => ({ metadata: { k: 'v'.repeat(size) } }), 512, 'metadata.k: too_long'],
    [
      'metadata pairs',
      (size) => ({ metadata: Object.fromEntries(Array.from({ length: size }, (_, at) => [`k${String(at)}`, 'v'])) }),
      16,
      'metadata: too_long',
    ],
    ['fields', (size) => ({ fields: { a: 'x'.repeat(size - 8) } }), 64 * 1024, 'fields: too_long'],
    [
      'the item',
      (size) => ({ extra: { a: 'x'.repeat(size - JSON.stringify({ ...good, extra: { a: '' } }).length) } }),
      1024 * 1024,
      'extra: too_long',
    ],
  ])('holds the limit of %s to the letter', (_, make, most, fault) => {
    expect(faultsOf({ ...good, ...make(most) })).toEqual([])
    expect(faultsOf({ ...good, ...make(most + 1) })).toEqual([fault])
  })

  it('passes other writing on as it is', () => {
    const prompt = '{{7*7}} ${x} \r\n \u202e \ufeff 👟 e\u0301 "); DROP TABLE items;--'
    expect(parseItem({ ...good, prompt }).item?.prompt).toBe(prompt)
  })

  it('knows the ranges that the catalogue says are Runcrate’s own', () => {
    const { width, num_inference_steps: steps } = runcrateLimits
    for (const field of [{ width: width.min }, { width: width.max }, { num_inference_steps: steps.max }]) {
      expect(faultsOf({ ...good, ...field })).toEqual([])
    }
    expect(faultsOf({ ...good, width: width.max + 1 })).not.toEqual([])
    expect(faultsOf({ ...good, num_inference_steps: steps.max + 1 })).not.toEqual([])
  })
})
