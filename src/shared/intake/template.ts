/** A text with `{{field}}` in it, read once and filled in for each item. */
export interface Template {
  readonly parts: readonly TemplatePart[]
}

type TemplatePart = { readonly literal: string } | { readonly field: string }

/** Longest text that a template may become, in bytes. */
const expansionBytesMax = 8 * 1024

export type TemplateValue = string | number | boolean

/**
 * Reads a template; or says what is wrong with it, as the end of a sentence. Blanks around a field's name are dropped.
 * What stands outside of `{{` and `}}` is taken as it is, single braces too.
 */
export function parseTemplate(text: string): Template | { fault: string } {
  const parts: TemplatePart[] = []
  let from = 0
  for (;;) {
    const opens = text.indexOf('{{', from)
    if (opens === -1) {
      if (from < text.length) parts.push({ literal: text.slice(from) })
      return { parts }
    }
    if (opens > from) parts.push({ literal: text.slice(from, opens) })
    const closes = text.indexOf('}}', opens)
    const field = text.slice(opens + 2, closes).trim()
    // A second {{ before the }} means that this one was never closed.
    if (closes === -1 || field.includes('{{'))
      return { fault: `has a {{ that is not closed, at character ${String(opens)}` }
    if (field === '') return { fault: `has a {{ }} without a name, at character ${String(opens)}` }
    parts.push({ field })
    from = closes + 2
  }
}

/**
 * Fills a template in, once: what a value holds is never read as a template. Or says what is wrong: a field that has no
 * value, or a text over 8 KiB.
 */
export function renderTemplate(
  { parts }: Template,
  valueOf: (field: string) => TemplateValue | undefined,
): string | { fault: string; field?: string } {
  const texts: string[] = []
  let bytes = 0
  for (const part of parts) {
    const value = 'literal' in part ? part.literal : valueOf(part.field)
    if (value === undefined) return 'field' in part ? { fault: 'is not given', field: part.field } : { fault: '' }
    const text = String(value)
    texts.push(text)
    bytes += Buffer.byteLength(text)
    if (bytes > expansionBytesMax) return { fault: `becomes longer than ${String(expansionBytesMax)} bytes` }
  }
  return texts.join('')
}
