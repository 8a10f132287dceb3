import { parseTemplate, renderTemplate, type Template, type TemplateValue } from './template.ts'

/** Longest output key below `images/<tenant>/`, in bytes, with its extension. S3's own limit is 1,024 for the whole. */
const keyBytesMax = 900

/** What a key holds in place of an extension that follows the stored bytes. */
const extMark = '{{ext}}'
const longestExt = 'webp'

export const defaultKeyTemplate = '{{batch_id}}/{{custom_id}}.{{ext}}'

/** `output.key`, read once and filled in for each item. */
export interface KeyTemplate {
  /** Without the `.{{ext}}` at its end. */
  readonly stem: Template
  readonly endsInExt: boolean
  /** False where keys of two batches may be the same. */
  readonly holdsBatchId: boolean
}

export interface KeyFault {
  readonly code: 'invalid_template' | 'invalid_format' | 'too_long'
  readonly message: string
  /** The field that has no value. */
  readonly field?: string | undefined
}

/** Reads `output.key`. `{{ext}}` may stand only at the end, as `.{{ext}}`: the bytes say what it is, after the call. */
export function parseKeyTemplate(text: string): KeyTemplate | { fault: string } {
  const ending = /\.\{\{\s*ext\s*\}\}$/.exec(text)
  const stem = parseTemplate(ending === null ? text : text.slice(0, ending.index))
  if ('fault' in stem) return stem
  const names = stem.parts.flatMap((part) => ('field' in part ? [part.field] : []))
  if (names.includes('ext')) return { fault: 'may have {{ext}} only at its end, as .{{ext}}' }
  return { stem, endsInExt: ending !== null, holdsBatchId: names.includes('batch_id') }
}

export interface KeyValues {
  readonly batch: string
  readonly customId: string
  readonly index: number
  readonly fields: Readonly<Record<string, TemplateValue>>
}

/** The key of one item by the batch's `output.key`, or what is wrong with it. */
export function renderKey(template: KeyTemplate, values: KeyValues): string | KeyFault {
  const rendered = renderTemplate(template.stem, (field) => {
    const value = keyValue(values, field)
    return value === undefined ? undefined : String(value).replaceAll(/[^A-Za-z0-9._-]/gu, '-')
  })
  if (typeof rendered !== 'string') return { code: 'invalid_template', message: rendered.fault, field: rendered.field }
  const key = template.endsInExt ? `${rendered}.${extMark}` : rendered
  return shapeFault(template.endsInExt ? `${rendered}.${longestExt}` : rendered) ?? key
}

function keyValue({ batch, customId, index, fields }: KeyValues, field: string): TemplateValue | undefined {
  if (field === 'batch_id') return batch
  if (field === 'custom_id') return customId
  if (field === 'index') return index
  return Object.hasOwn(fields, field) ? fields[field] : undefined
}

/** What is wrong with an item's own `output_key`, which is taken letter for letter. */
export function literalKeyFault(key: string): KeyFault | undefined {
  const device = key.split('/').find((part) => /^(?:con|prn|aux|nul|com[0-9]|lpt[0-9])(?:\.|$)/i.test(part))
  if (device !== undefined) {
    return {
      code: 'invalid_format',
      message: `must not have a part that is a device on Windows (${device.slice(0, 3)})`,
    }
  }
  return shapeFault(key)
}

// Control characters; \\ and % since a key must not look like another one's written form; braces are for `{{ext}}`.
const refused = /[\p{Cc}\\%{}]/u

function shapeFault(key: string): KeyFault | undefined {
  if (Buffer.byteLength(key) > keyBytesMax) {
    return { code: 'too_long', message: `must be at most ${String(keyBytesMax)} bytes` }
  }
  if (key.startsWith('/')) return { code: 'invalid_format', message: 'must be relative: it must not begin with /' }
  if (key.split('/').some((part) => part === '' || part === '.' || part === '..')) {
    return { code: 'invalid_format', message: 'must not have an empty, . or .. part' }
  }
  const letter = refused.exec(key)?.[0]
  if (letter === undefined) return undefined
  return { code: 'invalid_format', message: `must not contain ${JSON.stringify(letter)}` }
}

const knownExtension = /\.(?:\{\{ext\}\}|png|jpe?g|webp|avif)$/i

/** A key without `.{{ext}}` or an image's extension: what two keys that are the same have in common. */
export function stemOf(key: string): string {
  return key.replace(knownExtension, '')
}

/** The tag of a key whose extension is left open. */
export const openTag = 0
const tagged = ['', '.png', '.jpg', '.jpeg', '.webp', '.avif']

/** A small number for a key's extension: letter for letter, so that `a.png` and `a.PNG` have two. */
export function extensionTag(key: string): number {
  if (endsInExt(key)) return openTag
  const extension = key.slice(stemOf(key).length)
  let capitals = 0
  for (const letter of extension) capitals = capitals * 2 + (letter >= 'A' && letter <= 'Z' ? 1 : 0)
  return 1 + capitals * tagged.length + tagged.indexOf(extension.toLowerCase())
}

/** True where the stored bytes decide on the key's extension. */
export function endsInExt(key: string): boolean {
  return key.endsWith(`.${extMark}`)
}
