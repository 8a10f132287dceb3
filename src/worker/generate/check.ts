import sharp from 'sharp'
import { Failure } from '../../shared/failures/failure.ts'

// Each image is seen once, so a cache only holds memory; libvips' own threads would fight over the same cores.
sharp.cache(false)
sharp.concurrency(1)

const formats = {
  png: { contentType: 'image/png', ext: 'png' },
  jpeg: { contentType: 'image/jpeg', ext: 'jpg' },
  webp: { contentType: 'image/webp', ext: 'webp' },
  heif: { contentType: 'image/avif', ext: 'avif' },
} as const

type Format = keyof typeof formats

export type CheckedImage = { readonly width: number; readonly height: number } & (typeof formats)[Format]

const imageBytesMax = 50 * 1024 * 1024
const imagePixelsMax = 50_000_000
const decodeSecondsMax = 20
const readOptions = { failOn: 'error', limitInputPixels: imagePixelsMax } as const

/**
 * Whether the bytes are one whole PNG, JPEG, WebP or AVIF, by decoding them to the last row: magic bytes and headers are
 * right in a cut image too. Says what they are, whatever name and type they came under.
 * Throws `Failure` of class `bad_output`.
 */
export async function checkImage(bytes: Buffer): Promise<CheckedImage> {
  if (bytes.length === 0) throw bad('The image is empty.')
  if (bytes.length > imageBytesMax) throw bad('The image is larger than 50 MiB.')
  const format = sniff(bytes)
  // The allow-list stands before sharp, which would also read SVG and follow what it points to.
  if (format === undefined) throw bad('What the provider sent is not a PNG, JPEG, WebP or AVIF image.')
  try {
    const { width, height } = format === 'png' ? await readPng(bytes) : await readOther(bytes, format)
    return { width, height, ...formats[format] }
  } catch (error) {
    if (error instanceof Failure) throw error
    throw bad(describe(error), error)
  }
}

interface Size {
  readonly width: number
  readonly height: number
}

/**
 * Asks for the last row, which costs the least: rows come one after the other out of one stream, so all those before it
 * are decoded. (A smaller picture by nearest neighbours is cheaper yet, and wrong: it stops at the middle row.)
 */
async function readPng(bytes: Buffer): Promise<Size> {
  // PNG, section 11.2.2: the header chunk comes first, and begins with these two.
  const [width, height] = [bytes.readUInt32BE(16), bytes.readUInt32BE(20)]
  const lastRow = sharp(bytes, readOptions).extract({ left: 0, top: height - 1, width, height: 1 })
  await lastRow.timeout({ seconds: decodeSecondsMax }).raw().toBuffer()
  return { width, height }
}

/** Asks for a single pixel made of all: JPEG and WebP decode a smaller picture for it, yet go through all of their data. */
async function readOther(bytes: Buffer, format: Format): Promise<Size> {
  const { width, height, pages, ...head } = await sharp(bytes, readOptions).metadata()
  if (head.format !== format || (format === 'heif' && head.compression !== 'av1')) {
    throw bad(`The image is not the ${format} that its first bytes say.`)
  }
  if ((pages ?? 1) > 1) throw bad('The image is animated.')
  const onePixel = sharp(bytes, readOptions).resize(1, 1, { fit: 'fill' })
  await onePixel.timeout({ seconds: decodeSecondsMax }).raw().toBuffer()
  return { width, height }
}

function bad(message: string, cause?: unknown): Failure {
  return new Failure({ class: 'bad_output', code: 'output_invalid', message, cause })
}

function describe(error: unknown): string {
  const text = error instanceof Error ? error.message : ''
  if (text.includes('pixel limit')) return 'The image has more than 50 million pixels.'
  return 'The image does not decode whole.'
}

function sniff(bytes: Buffer): Format | undefined {
  const latin = bytes.toString('latin1', 0, 64)
  if (latin.startsWith('\x89PNG\r\n\x1a\n')) return 'png'
  if (latin.startsWith('\xff\xd8\xff')) return 'jpeg'
  if (latin.startsWith('RIFF') && latin.startsWith('WEBP', 8)) return 'webp'
  // ISO base media: the `ftyp` box names its brands, the major one first.
  if (latin.startsWith('ftyp', 4) && /avif|avis/.test(latin.slice(8, bytes.readUInt32BE(0)))) return 'heif'
  return undefined
}
