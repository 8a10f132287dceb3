import { describe, expect, it } from 'vitest'
import { readItem } from '../../../../src/shared/intake/item.ts'
import { readOptions } from '../../../../src/shared/intake/options.ts'
import type { ItemRules } from '../../../../src/shared/intake/options.ts'
import { parseBatchRequest } from '../../../../src/shared/contract/batch-request.ts'

const schnell = 'black-forest-labs/FLUX.1-schnell'
const config = {
  publicUrl: 'http://127.0.0.1:8080',
  webhook: { allowHttp: false, allowPrivate: false, secret: undefined, retryScheduleMs: [] },
  worker: { concurrency: 1, lockMs: 1, sweepIntervalMs: 1, itemMaxAttempts: 8, retryUnknown: true, shutdownGraceMs: 1 },
}

function rulesOf(options: object): ItemRules {
  const parsed = parseBatchRequest({ items: [{}], ...options })
  if ('faults' in parsed) throw new Error(JSON.stringify(parsed.faults))
  const read = readOptions(config, 'batch_1', parsed.request)
  if ('faults' in read) throw new Error(JSON.stringify(read.faults))
  return read.rules
}

function accepted(item: object, options: object = {}, index = 0) {
  const read = readItem(item, { index, name: `item-${String(index + 1)}` }, rulesOf(options))
  if ('faults' in read) throw new Error(JSON.stringify(read.faults))
  return read
}

function faultsOf(item: unknown, options: object = {}): string[] {
  const read = readItem(item, { index: 0, name: 'item-1' }, rulesOf(options))
  return 'faults' in read ? read.faults.map(({ param, code }) => `${param}: ${code}`) : []
}

describe('readItem', () => {
  it('makes the line of an input chunk', () => {
    const { item } = accepted(
      {
        custom_id: 'shoe',
        prompt: 'A shoe',
        model: schnell,
        seed: 7,
        metadata: { sku: '1' },
        extra: { go_fast: true },
      },
      {},
      3,
    )
    expect(item).toEqual({
      index: 3,
      custom_id: 'shoe',
      model: schnell,
      prompt: 'A shoe',
      parameters: { seed: 7 },
      extra: { go_fast: true },
      fingerprint: expect.stringMatching(/^[0-9a-f]{64}$/),
      key: 'batch_1/shoe.{{ext}}',
      price_nano: 3_000_000,
      metadata: { sku: '1' },
    })
  })

  it('names an item without custom_id by its place', () => {
    expect(accepted({ prompt: 'x', model: schnell }, {}, 41)).toMatchObject({
      customId: 'item-42',
      item: { custom_id: 'item-42', key: 'batch_1/item-42.{{ext}}' },
    })
  })

  it('lets an item’s own values win over the defaults', () => {
    const options = { defaults: { model: 'a/b', seed: 1, guidance: 2, negative_prompt: 'blur', extra: { a: 1, b: 1 } } }
    const { item } = accepted({ prompt: 'x', model: schnell, seed: 2, extra: { b: 2, c: 2 } }, options)
    expect(item).toMatchObject({
      model: schnell,
      parameters: { seed: 2, guidance: 2, negative_prompt: 'blur' },
      extra: { a: 1, b: 2, c: 2 },
    })
  })

  it('drops the defaults’ size for an item’s ratio, and their ratio for its size', () => {
    const sized = { defaults: { model: schnell, width: 512, height: 768 } }
    const shaped = { defaults: { model: schnell, aspect_ratio: '16:9' } }
    expect(accepted({ prompt: 'x', aspect_ratio: '1:1' }, sized).item.parameters).toEqual({ aspect_ratio: '1:1' })
    expect(accepted({ prompt: 'x', width: 256 }, sized).item.parameters).toEqual({ width: 256, height: 768 })
    expect(accepted({ prompt: 'x', width: 256 }, shaped).item.parameters).toEqual({ width: 256 })
    expect(accepted({ prompt: 'x', height: 256 }, shaped).item.parameters).toEqual({ height: 256 })
    expect(accepted({ prompt: 'x' }, sized).item.parameters).toEqual({ width: 512, height: 768 })
    expect(accepted({ prompt: 'x' }, shaped).item.parameters).toEqual({ aspect_ratio: '16:9' })
  })

  it('fills the template from fields and custom_id, and sends an item’s own prompt as it is written', () => {
    const options = { template: 'A {{colour}} {{custom_id}}', defaults: { model: schnell } }
    const fields = { colour: 'red' }
    expect(accepted({ custom_id: 'shoe', fields }, options).item.prompt).toBe('A red shoe')
    expect(accepted({ fields, prompt: 'My {{colour}} own' }, options).item.prompt).toBe('My {{colour}} own')
  })

  it.each<[object, object, string[]]>([
    [{ prompt: 'x' }, {}, ['model: missing']],
    [{ model: schnell }, {}, ['prompt: missing']],
    [{}, {}, ['model: missing', 'prompt: missing']],
    [{ width: 1 }, {}, ['width: out_of_range', 'model: missing', 'prompt: missing']],
    [{ prompt: 'x', model: null }, {}, ['model: missing']],
    [{ prompt: 'x', model: 'dall-e-3' }, {}, ['model: unknown_model']],
    [{ prompt: 'x', model: 'a/b/c' }, {}, ['model: unknown_model']],
    [{ prompt: 'x', model: 'a/' }, {}, ['model: unknown_model']],
    [{ prompt: 'x', model: 'a b/c' }, {}, ['model: unknown_model']],
    [{ prompt: 'x', model: 'black-forest-labs/FLUX.1-canny-pro' }, {}, ['model: unsupported']],
    [{ model: schnell }, { template: '{{colour}}' }, ['fields.colour: invalid_template']],
    [{ model: schnell, fields: { colour: null } }, { template: '{{colour}}' }, ['fields.colour: invalid_template']],
    [{ model: schnell, fields: { a: 'x'.repeat(9000) } }, { template: '{{a}}' }, ['prompt: invalid_template']],
    [{ model: schnell, fields: { a: ' ' } }, { template: '{{a}}' }, ['prompt: too_short']],
    [{ model: schnell, prompt: 'x', output_key: '../x' }, {}, ['output_key: invalid_format']],
    [{ model: schnell, prompt: 'x' }, { output: { key: '{{shop}}.png' } }, ['fields.shop: invalid_template']],
    [{ model: schnell, prompt: 'x' }, { output: { key: 'a//{{index}}' } }, ['output_key: invalid_format']],
  ])('of %j with %j says %j', (item, options, faults) => {
    expect(faultsOf(item, options)).toEqual(faults)
  })

  it('names the faults of an OpenAI line by its body’s fields', () => {
    const line = { custom_id: 'a', method: 'POST', url: '/v1/images/generations' }
    expect(faultsOf({ ...line, body: {} })).toEqual(['body.model: missing', 'body.prompt: missing'])
    expect(faultsOf({ ...line, body: { prompt: 'x', model: 'nope' } })).toEqual(['body.model: unknown_model'])
  })

  it('passes on an unlisted owner/name, without a price', () => {
    expect(accepted({ prompt: 'x', model: 'someone/new-model_2.0' }).item).toMatchObject({
      model: 'someone/new-model_2.0',
      price_nano: null,
    })
  })

  it('prices a model that is paid by the megapixel by its size', () => {
    const priceOf = (size: object) => accepted({ prompt: 'x', model: schnell, ...size }).item.price_nano
    expect(priceOf({})).toBe(3_000_000)
    expect(priceOf({ width: 2048, height: 2048 })).toBe(12_000_000)
  })

  it('sends what the model does not take or its maker does not document, and warns', () => {
    const { item, warnings } = accepted({
      prompt: 'x',
      model: schnell,
      guidance: 3,
      num_inference_steps: 50,
      aspect_ratio: '7:5',
    })
    expect(item.parameters).toEqual({ guidance: 3, num_inference_steps: 50, aspect_ratio: '7:5' })
    expect(warnings).toEqual([
      { code: 'outside_documented_range', param: 'aspect_ratio' },
      { code: 'outside_documented_range', param: 'num_inference_steps' },
      { code: 'parameter_not_taken', param: 'guidance' },
    ])
    expect(accepted({ prompt: 'x', model: 'someone/new', guidance: 3 }).warnings).toEqual([])
  })
})

describe('readOptions', () => {
  it('has the defaults of the contract', () => {
    const read = readOptions(config, 'batch_1', {})
    expect('accepted' in read && read.accepted).toEqual({
      name: null,
      priority: 'standard',
      overwrite: 'changed',
      shared_keys: false,
      max_attempts: 8,
      webhook: null,
      metadata: {},
      cache_control: null,
      budget_nano: null,
      expires_at_ms: null,
    })
  })

  it.each<[object, string]>([
    [{ template: 'A {{shoe' }, 'template: invalid_template'],
    [{ output: { key: '{{ext}}' } }, 'output.key: invalid_template'],
    [{ webhook: { url: 'http://shop.example.com' } }, 'webhook.url: invalid_format'],
    [{ webhook: { url: 'https://127.0.0.1/hook' } }, 'webhook.url: invalid_format'],
    [{ webhook: { url: 'https://0x7f000001/hook' } }, 'webhook.url: invalid_format'],
    [{ webhook: { url: 'https://[::1]/hook' } }, 'webhook.url: invalid_format'],
    [{ webhook: { url: 'https://user:pass@shop.example.com' } }, 'webhook.url: invalid_format'],
    [{ webhook: { url: 'not a url' } }, 'webhook.url: invalid_format'],
    [{ webhook: { url: 'file:///etc/passwd' } }, 'webhook.url: invalid_format'],
  ])('names what is wrong with %j', (options, fault) => {
    const read = readOptions(config, 'batch_1', options)
    expect('faults' in read && read.faults.map(({ param, code }) => `${param}: ${code}`)).toEqual([fault])
  })

  it('refuses a webhook where there is no secret to sign it with, or that is this API itself', () => {
    const webhook = { url: 'https://shop.example.com/hook' }
    expect(() => readOptions(config, 'batch_1', { webhook })).toThrow(
      expect.objectContaining({ status: 422, code: 'webhook_secret_missing', param: 'webhook' }),
    )
    const here = { ...config, publicUrl: 'https://shop.example.com' }
    expect(readOptions(here, 'batch_1', { webhook })).toHaveProperty('faults.0.param', 'webhook.url')
  })

  it('tells all four ends of a batch where a webhook names no events', () => {
    const signed = { ...config, webhook: { ...config.webhook, secret: 'whsec_x' } }
    const url = 'https://shop.example.com/hook'
    const webhookOf = (webhook: { url: string; events?: string[] }) => {
      const read = readOptions(signed, 'batch_1', { webhook })
      return 'accepted' in read ? read.accepted.webhook : undefined
    }
    expect(webhookOf({ url })).toEqual({
      url,
      events: ['batch.completed', 'batch.failed', 'batch.expired', 'batch.cancelled'],
    })
    expect(webhookOf({ url, events: ['batch.completed', 'batch.completed'] })?.events).toEqual(['batch.completed'])
  })

  it('knows that keys without the batch’s id may be shared with other batches', () => {
    const read = readOptions(config, 'batch_1', { output: { key: 'catalog/{{custom_id}}.{{ext}}' } })
    expect('accepted' in read && read.accepted.shared_keys).toBe(true)
  })
})
