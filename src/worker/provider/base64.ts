/**
 * The bytes of base64 text, or undefined where it is not that: `Buffer.from` never refuses, it skips what it does not
 * know, and half an image would be stored as a whole one. The URL-safe alphabet, line breaks, a missing padding and a
 * `data:` prefix are accepted.
 */
export function decodeBase64(text: string): Buffer | undefined {
  const encoded = withoutDataPrefix(text.trim())?.replace(/[\r\n]/g, '')
  if (encoded === undefined || !/^[A-Za-z0-9+/_-]+={0,2}$/.test(encoded)) return undefined
  const lettersLength = encoded.length - (encoded.match(/=+$/)?.[0].length ?? 0)
  // One letter over a group of four holds six bits: no byte ends there. Padding, where given, must fill the group.
  if (lettersLength % 4 === 1) return undefined
  if (lettersLength !== encoded.length && encoded.length % 4 !== 0) return undefined
  return Buffer.from(encoded, 'base64')
}

function withoutDataPrefix(text: string): string | undefined {
  if (!/^data:/i.test(text)) return text
  const comma = text.indexOf(',')
  return comma !== -1 && /;base64$/i.test(text.slice(0, comma)) ? text.slice(comma + 1) : undefined
}
