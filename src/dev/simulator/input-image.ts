import { createHash } from 'node:crypto'
import type { Size } from '../../shared/models/sizes.ts'

/** An image that a request brings along. */
export interface InputImage {
  readonly sha256: string
  /** Known for PNGs in the request itself; links are not fetched. */
  readonly size: Size | undefined
}

/** What the first bytes of the formats look like. */
const magic = [/^\x89PNG\r\n\x1a\n/, /^\xff\xd8\xff/, /^GIF8[79]a/, /^RIFF.{4}WEBP/s]

/** A link, a data: URI or bare base64; undefined where it is no image that can be decoded. */
export function readInput(text: string): InputImage | undefined {
  if (/^https?:\/\//.test(text)) return { sha256: sha256(text), size: undefined }
  const encoded = /^data:image\/[a-z0-9.+-]+;base64,(.*)$/s.exec(text)?.[1] ?? text
  const bytes = Buffer.from(encoded, 'base64')
  const head = bytes.toString('latin1', 0, 24)
  if (bytes.length < 24 || !magic.some((pattern) => pattern.test(head))) return undefined
  const isPng = head.startsWith('\x89PNG')
  return {
    sha256: sha256(bytes),
    size: isPng ? { width: bytes.readUInt32BE(16), height: bytes.readUInt32BE(20) } : undefined,
  }
}

function sha256(bytes: string | Buffer): string {
  return createHash('sha256').update(bytes).digest('hex')
}
