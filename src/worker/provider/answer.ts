import { decodeBase64 } from './base64.ts'

/** Where the image of an answer is: at a URL, or in the answer itself. */
export type AnsweredImage =
  { readonly kind: 'url'; readonly url: string } | { readonly kind: 'bytes'; readonly bytes: Buffer }

/** A parsed JSON object, or undefined: what arrives need not be JSON, nor an object. */
export function parseObject(body: Buffer): Record<string, unknown> | undefined {
  try {
    return asObject(JSON.parse(body.toString('utf8').replace(/^\uFEFF/, '')))
  } catch {
    return undefined
  }
}

export function asObject(value: unknown): Record<string, unknown> | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value } : undefined
}

/**
 * The image that a 200's body holds, undefined where there is none to use. Three forms exist and asking for one does not
 * promise it; if several are there, `b64_json` is preferred, then a `data:` URI, then the URL, as Runcrate's own SDKs do
 * (docs/provider.md). A form that cannot be read gives way to the next.
 */
export function readImage(body: Record<string, unknown>): AnsweredImage | undefined {
  const data: unknown[] = Array.isArray(body.data) ? body.data : [body.data]
  for (const entry of data) {
    const datum = asObject(entry)
    const image = datum === undefined ? undefined : (inlineImage(datum) ?? linkedImage(datum))
    if (image !== undefined) return image
  }
  return undefined
}

function inlineImage(datum: Record<string, unknown>): AnsweredImage | undefined {
  for (const text of [datum.b64_json, datum.url]) {
    if (typeof text !== 'string' || (text === datum.url && !/^data:/i.test(text))) continue
    const bytes = decodeBase64(text)
    if (bytes !== undefined) return { kind: 'bytes', bytes }
  }
  return undefined
}

function linkedImage(datum: Record<string, unknown>): AnsweredImage | undefined {
  const url = typeof datum.url === 'string' ? datum.url.trim() : ''
  return /^https?:\/\//i.test(url) && URL.canParse(url) ? { kind: 'url', url } : undefined
}
