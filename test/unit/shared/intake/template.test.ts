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
})
