import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  defaultKeyTemplate,
  literalKeyFault,
  parseKeyTemplate,
  renderKey,
  stemOf,
} from '../../../../src/shared/intake/output-key.ts'
import type { KeyValues } from '../../../../src/shared/intake/output-key.ts'

const shoe: KeyValues = { batch: 'batch_1', customId: 'shoe', index: 7, fields: { shop: 'a/b', size: 43 } }

function keyOf(template: string, values: Partial<KeyValues> = {}) {
  const parsed = parseKeyTemplate(template)
  return 'fault' in parsed ? parsed : renderKey(parsed, { ...shoe, ...values })
}

describe('output.key', () => {
  it.each([
    [defaultKeyTemplate, 'batch_1/shoe.{{ext}}'],
    ['{{index}}-{{custom_id}}.png', '7-shoe.png'],
    ['{{shop}}/{{size}}.{{ ext }}', 'a-b/43.{{ext}}'],
    ['Läden/neu (1).png', 'Läden/neu (1).png'],
  ])('%s becomes %s', (template, key) => {
    expect(keyOf(template)).toBe(key)
  })

  it('lets nothing but A-Z a-z 0-9 . _ - through in values', () => {
    expect(keyOf('{{custom_id}}.png', { customId: '../..\\a b%2e\n👟é{{x}}' })).toBe('..-..-a-b-2e-----x--.png')
  })

  it('says whether keys hold the batch’s id', () => {
    expect(parseKeyTemplate(defaultKeyTemplate)).toMatchObject({ holdsBatchId: true, endsInExt: true })
    expect(parseKeyTemplate('{{custom_id}}.png')).toMatchObject({ holdsBatchId: false, endsInExt: false })
  })

  it.each(['{{ext}}', '{{ext}}/a.png', 'a{{ext}}', 'a.{{ext}}.png', '{{ext}}.{{ext}}', '{{custom_id', '{{}}.png'])(
    'is refused as a template where it is %s',
    (template) => {
      expect(parseKeyTemplate(template)).toHaveProperty('fault')
    },
  )

  it('names a field that is not given', () => {
    expect(keyOf('{{colour}}.png')).toEqual({ code: 'invalid_template', message: 'is not given', field: 'colour' })
  })

  it.each(['/{{custom_id}}.png', 'a//{{custom_id}}', '../{{custom_id}}', './x', '{{custom_id}}/', 'a/{b}', 'a%2fb'])(
    'gives no key of the form %s',
    (template) => {
      expect(keyOf(template)).toHaveProperty('code', 'invalid_format')
    },
  )

  it('gives no part that a value makes empty, . or ..', () => {
    expect(keyOf('a/{{custom_id}}', { customId: '..' })).toHaveProperty('code', 'invalid_format')
    expect(keyOf('a/{{custom_id}}', { customId: '.' })).toHaveProperty('code', 'invalid_format')
    expect(keyOf('a/{{shop}}/b', { fields: { shop: '' } })).toHaveProperty('code', 'invalid_format')
    expect(keyOf('a/{{custom_id}}.{{ext}}', { customId: '..' })).toBe('a/...{{ext}}')
  })

  it('is at most 900 bytes, with the longest extension', () => {
    expect(keyOf('{{custom_id}}.{{ext}}', { customId: 'x'.repeat(895) })).toBeTypeOf('string')
    expect(keyOf('{{custom_id}}.{{ext}}', { customId: 'x'.repeat(896) })).toHaveProperty('code', 'too_long')
  })
})

describe('an item’s own output_key', () => {
  it.each(['shoe.png', 'a/b/c', 'shop/Läufer 1 (neu).webp', '..a/b..', 'a&b=c+d@e.png'])('may be %s', (key) => {
    expect(literalKeyFault(key)).toBeUndefined()
  })

  it.each([
    '../../x',
    '/abs',
    'a//b',
    'a/',
    '/',
    '.',
    'a/./b',
    'a/..',
    '%2e%2e/x',
    'a\\b',
    'a\nb',
    'a\u007fb',
    'a\u0085b',
    'CON',
    'a/nul.png',
    'Com1/x',
    '{{custom_id}}.png',
    'a.{{ext}}',
  ])('is refused as %j', (key) => {
    expect(literalKeyFault(key)).toHaveProperty('code', 'invalid_format')
  })

  it('is at most 900 bytes', () => {
    expect(literalKeyFault('é'.repeat(450))).toBeUndefined()
    expect(literalKeyFault(`${'é'.repeat(450)}x`)).toHaveProperty('code', 'too_long')
  })
})

it.each([
  ['a/b.{{ext}}', 'a/b'],
  ['a/b.png', 'a/b'],
  ['a/b.JPEG', 'a/b'],
  ['a/b.jpg', 'a/b'],
  ['a.b/c', 'a.b/c'],
  ['a/b.tiff', 'a/b.tiff'],
  ['a/b.png.webp', 'a/b.png'],
])('stemOf %s is %s', (key, stem) => {
  expect(stemOf(key)).toBe(stem)
})

it('a rendered key is a good key under its folder, or says what is wrong, whatever the values hold', () => {
  const template = fc.constantFrom(
    '{{custom_id}}.{{ext}}',
    '{{shop}}/{{size}}/{{custom_id}}.png',
    'a/{{shop}}',
    '{{index}}',
  )
  const value = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.constantFrom('..', '.', '', '/', '../../x', '%2e%2e', 'a\0b'),
  )
  fc.assert(
    fc.property(template, value, value, (text, customId, shop) => {
      const key = keyOf(text, { customId, fields: { shop, size: 43 } })
      if (typeof key !== 'string') return
      expect(literalKeyFault(key.replace('{{ext}}', 'png'))).toBeUndefined()
      expect(key.split('/').some((part) => part === '' || part === '.' || part === '..')).toBe(false)
      expect(key.split('/')).toHaveLength(text.split('/').length)
      expect(Buffer.byteLength(key)).toBeLessThanOrEqual(903)
    }),
    { numRuns: 1_000 },
  )
})
