import { describe, expect, it } from 'vitest'
import { parseBatchRequest, terminalEvents } from '../../../../src/shared/contract/batch-request.ts'

function faultsOf(options: object): string[] {
  const parsed = parseBatchRequest({ items: [{}], ...options })
  return 'faults' in parsed ? parsed.faults.map(({ param, code }) => `${param}: ${code}`) : []
}

describe('parseBatchRequest', () => {
  it('takes every option that is built', () => {
    const request = {
      items: [{ anything: 'is looked at later' }],
      name: 'Autumn',
      defaults: { model: 'a/b', width: 512, height: 512, extra: { x: 1 } },
      template: 'A {{colour}} shoe',
      output: {
        key: '{{custom_id}}.{{ext}}',
        overwrite: 'never',
        cache_control: 'max-age=60',
        format: 'original',
        variants: [],
      },
      priority: 'bulk',
      max_attempts: 20,
      webhook: { url: 'https://shop.example.com/hook', events: [...terminalEvents] },
      metadata: { shop: '1' },
      on_invalid: 'skip',
      dry_run: false,
      budget_usd: '12.50',
      completion_window: '7d',
    }
    const weekMs = 7 * 24 * 3_600_000
    expect(parseBatchRequest(request)).toEqual({ request: { ...request, completion_window: weekMs } })
  })

  it('takes null for absent, in options and inside of them', () => {
    expect(faultsOf({ name: null, budget_usd: null, webhook: null, output: { format: null, key: null } })).toEqual([])
    expect(faultsOf({ items: null })).toEqual(['items: missing'])
  })

  it.each<[object, string]>([
    [{ input_file_id: 'file_1' }, 'input_file_id: unsupported'],
    [{ endpoint: '/v1/images/generations' }, 'endpoint: unsupported'],
    [{ dry_run: true }, 'dry_run: unsupported'],
    [{ output: { format: 'webp' } }, 'output.format: unsupported'],
    [{ output: { variants: [{ name: 's' }] } }, 'output.variants: unsupported'],
    [{ defaults: { n: 2 } }, 'defaults.n: unsupported'],
    [{ defaults: { image: 'x' } }, 'defaults.image: unsupported'],
    [
      { webhook: { url: 'https://a.b', events: ['batch.completed', 'batch.progress'] } },
      'webhook.events[1]: unsupported',
    ],
  ])('refuses %j by name, since it is not built yet', (options, fault) => {
    expect(faultsOf(options)).toEqual([fault])
  })

  it.each<[object, string]>([
    [{ items: [] }, 'items: too_short'],
    [{ items: {} }, 'items: invalid_type'],
    [{ name: '' }, 'name: too_short'],
    [{ name: 7 }, 'name: invalid_type'],
    [{ template: '  ' }, 'template: too_short'],
    [{ priority: 'urgent' }, 'priority: out_of_range'],
    [{ max_attempts: 0 }, 'max_attempts: out_of_range'],
    [{ max_attempts: 21 }, 'max_attempts: out_of_range'],
    [{ on_invalid: 'ignore' }, 'on_invalid: out_of_range'],
    [{ budget_usd: -1 }, 'budget_usd: out_of_range'],
    [{ budget_usd: 0.1234567891 }, 'budget_usd: invalid_format'],
    [{ budget_usd: '$5' }, 'budget_usd: invalid_format'],
    [{ budget_usd: true }, 'budget_usd: invalid_type'],
    [{ completion_window: 24 }, 'completion_window: invalid_type'],
    [{ completion_window: '0h' }, 'completion_window: invalid_format'],
    [{ completion_window: '90m' }, 'completion_window: invalid_format'],
    [{ completion_window: '8d' }, 'completion_window: out_of_range'],
    [{ completion_window: '169h' }, 'completion_window: out_of_range'],
    [{ dry_run: 'yes' }, 'dry_run: invalid_type'],
    [{ output: { format: 'tiff' } }, 'output.format: out_of_range'],
    [{ output: { overwrite: 'sometimes' } }, 'output.overwrite: out_of_range'],
    [{ output: { cache_control: 'a\r\nx-evil: 1' } }, 'output.cache_control: invalid_format'],
    [{ output: { folder: 'x' } }, 'output.folder: unknown_field'],
    [{ webhook: {} }, 'webhook.url: missing'],
    [{ webhook: { url: 'https://a.b', events: [] } }, 'webhook.events: too_short'],
    [{ webhook: { url: 'https://a.b', events: ['batch.done'] } }, 'webhook.events[0]: out_of_range'],
    [{ webhook: { url: 'https://a.b', secret: 'x' } }, 'webhook.secret: unknown_field'],
    [{ defaults: { prompt: 'x' } }, 'defaults.prompt: unknown_field'],
    [{ defaults: { width: 1 } }, 'defaults.width: out_of_range'],
    [{ defaults: { width: 512, aspect_ratio: '1:1' } }, 'defaults.aspect_ratio: invalid_format'],
    [{ metadata: { a: 1 } }, 'metadata.a: invalid_type'],
    [{ tenant_id: 'x' }, 'tenant_id: unknown_field'],
    [{ max_retries: 1 }, 'max_retries: unknown_field'],
  ])('names what is wrong with %j', (options, fault) => {
    expect(faultsOf(options)).toEqual([fault])
  })

  it.each(['text', 7, null, []])('refuses a body that is %j', (body) => {
    expect(parseBatchRequest(body)).toEqual({ faults: [expect.objectContaining({ param: '', code: 'invalid_type' })] })
  })

  it.each([
    ['1h', 1],
    ['168h', 168],
    ['1d', 24],
    ['7d', 168],
  ])('reads the window %s as hours', (text, hours) => {
    const parsed = parseBatchRequest({ items: [{}], completion_window: text })
    expect('request' in parsed && parsed.request.completion_window).toBe(hours * 3_600_000)
  })

  it('names what is not built first, then what is missing', () => {
    const parsed = parseBatchRequest({ input_file_id: 'file_1', endpoint: '/v1/images/generations' })
    expect('faults' in parsed && parsed.faults.map(({ param }) => param)).toEqual([
      'input_file_id',
      'endpoint',
      'items',
    ])
  })

  it.each<[string, (size: number) => object, number, string]>([
    ['name', (size) => ({ name: 'x'.repeat(size) }), 200, 'name: too_long'],
    ['webhook.url', (size) => ({ webhook: { url: 'x'.repeat(size) } }), 2_048, 'webhook.url: too_long'],
    ['items', (size) => ({ items: Array.from({ length: size }, () => 0) }), 1_000_000, 'items: too_long'],
  ])('holds the limit of %s to the letter', (_, make, most, fault) => {
    expect(faultsOf(make(most))).toEqual([])
    expect(faultsOf(make(most + 1))).toEqual([fault])
  })
})
