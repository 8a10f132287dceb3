import { createCipheriv, createHash } from 'node:crypto'
import { boundedMap } from '../bounded-map.ts'
import { drawCard } from './card.ts'
import { encodePng } from './png.ts'

/** All that a picture is made of. */
export interface Picture {
  readonly model: string
  readonly prompt: string
  readonly seed: number
  readonly width: number
  readonly height: number
  /** SHA-256 of the request and the image's index in it, hex: the look follows from it. */
  readonly digest: string
  /** The call that it was made for, where it shall be in the bytes. */
  readonly call: string | undefined
  /** Weight added, in bytes. */
  readonly padBytes: number
}

const kept = boundedMap<Buffer>(5_000, 64_000_000)

/** The picture's PNG. Equal pictures have equal bytes; the newest are kept. */
export function renderPicture(picture: Picture): Buffer {
  const key = `${picture.digest} ${String(picture.width)}x${String(picture.height)} ${String(picture.padBytes)} ${picture.call ?? ''}`
  const known = kept.get(key)
  if (known !== undefined) return known
  const { width, height, pixels, colours } = drawCard(picture.width, picture.height, picture.digest, picture)
  const png = encodePng({ width, height, pixels, colours, texts: textsOf(picture), padding: noise(picture) })
  kept.set(key, png, png.length)
  return png
}

/** The same data in text, so that a test can read back what was asked. */
function textsOf(picture: Picture): Record<string, string> {
  return {
    'cratework-sim:model': picture.model,
    'cratework-sim:prompt': picture.prompt,
    'cratework-sim:seed': String(picture.seed),
    'cratework-sim:digest': picture.digest,
    ...(picture.call === undefined ? {} : { 'cratework-sim:call': picture.call }),
  }
}

function noise({ digest, padBytes }: Picture): Buffer | undefined {
  if (padBytes === 0) return undefined
  const key = createHash('sha256').update(digest).digest()
  return createCipheriv('aes-256-ctr', key, Buffer.alloc(16)).update(Buffer.alloc(padBytes))
}

/** One black picture: how an upstream's safety filter answers. */
export function renderBlack(width: number, height: number): Buffer {
  return encodePng({ width, height, pixels: new Uint8Array(width * height), colours: [0x000000], texts: {} })
}
