import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { parseTemplate, renderTemplate } from '../../../../src/shared/intake/template.ts'
import type { TemplateValue } from '../../../../src/shared/intake/template.ts'

function render(text: string, fields: Record<string, TemplateValue>) {
  const template = parseTemplate(text)
  if ('fault' in template) return template
  return renderTemplate(template, (name) => (Object.hasOwn(fields, name) ? fields[name] : undefined))
}

describe('a template', () => {
  it.each<[string, Record<string, TemplateValue>, string]>([
    ['A {{colour}} shoe', { colour: 'red' }, 'A red shoe'],
    ['{{a}}{{b}}{{a}}', { a: 1, b: true }, '1true1'],
    ['{{ product name }}', { 'product name': 'Boot' }, 'Boot'],
    ['no field at all', {}, 'no field at all'],
    ['{a} } {{x}} }}', { x: 0 }, '{a} } 0 }}'],
    ['{{x}}', { x: '{{y}} ${z}' }, '{{y}} ${z}'],
    ['{{7*7}}', { '7*7': 'seven' }, 'seven'],
  ])('%j becomes what its fields say, once', (text, fields, rendered) => {
    expect(render(text, fields)).toBe(rendered)
  })

  it.each(['A {{colour shoe', '{{', 'a {{b {{c}}', '{{}}', 'x {{  }}'])('%j is refused as it is read', (text) => {
    expect(parseTemplate(text)).toEqual({ fault: expect.stringMatching(/at character \d+$/) })
  })

  it('names the field that is missing, and knows none that an object inherits', () => {
    expect(render('{{colour}}', {})).toEqual({ fault: 'is not given', field: 'colour' })
    expect(render('{{constructor}} {{__proto__}}', {})).toEqual({ fault: 'is not given', field: 'constructor' })
  })

  it('may become 8 KiB and not a byte more', () => {
    expect(render('{{a}}', { a: 'x'.repeat(8192) })).toHaveLength(8192)
    expect(render('{{a}}', { a: 'x'.repeat(8193) })).toHaveProperty('fault', 'becomes longer than 8192 bytes')
    expect(render('{{a}}', { a: 'é'.repeat(4097) })).toHaveProperty('fault')
    expect(render('{{a}}'.repeat(200), { a: 'x'.repeat(60_000) })).toHaveProperty('fault')
  })

  it('becomes its literals and values in order, whatever they hold', () => {
    const literal = fc.string().filter((text) => !text.includes('{'))
    const name = fc.string({ minLength: 1 }).map((text) => `f${text.replaceAll(/[{}\s]/g, '_')}`)
    const value = fc.oneof(fc.string({ maxLength: 50 }), fc.integer(), fc.boolean(), fc.constant('{{f}} }}'))
    const part = fc.record({ literal, name, value })
    fc.assert(
      fc.property(fc.array(part, { maxLength: 8 }), literal, (parts, end) => {
        const fields = Object.fromEntries(parts.map((one) => [one.name, one.value]))
        const text = parts.map((one) => `${one.literal}{{ ${one.name} }}`).join('') + end
        const rendered = parts.map((one) => one.literal + String(fields[one.name])).join('') + end
        expect(render(text, fields)).toBe(rendered)
      }),
    )
  })

  it('is read or refused, and never throws', () => {
    const letter = fc.constantFrom('{', '{{', '}', '}}', 'a', ' ', '\n')
    fc.assert(
      fc.property(fc.array(letter), (letters) => {
        const text = letters.join('')
        const template = parseTemplate(text)
        if ('fault' in template) return
        const read = template.parts.map((one) => ('literal' in one ? one.literal : `{{${one.field}}}`)).join('')
        expect(read.replaceAll(/\s/g, '')).toBe(text.replaceAll(/\s/g, ''))
      }),
    )
  })
})
