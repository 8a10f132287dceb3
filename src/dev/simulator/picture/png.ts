import { constants, crc32, deflateSync } from 'node:zlib'

const signature = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a])

export interface PngParts {
  readonly width: number
  readonly height: number
  /** One palette index a pixel, row by row. */
  readonly pixels: Uint8Array
  /** Up to 256 colours, 0xrrggbb. */
  readonly colours: readonly number[]
  /** iTXt chunks: keyword to text. */
  readonly texts: Readonly<Record<string, string>>
  /** Content of a private ancillary chunk (`npAd`) that no reader looks at; for weight. */
  readonly padding?: Buffer | undefined
}

/** An 8-bit palette PNG (ISO/IEC 15948). The same parts give the same bytes on every machine. */
export function encodePng(parts: PngParts): Buffer {
  const header = Buffer.alloc(13)
  header.writeUInt32BE(parts.width, 0)
  header.writeUInt32BE(parts.height, 4)
  header.set([8, 3, 0, 0, 0], 8) // 8 bits, palette, deflate, adaptive filters, not interlaced
  const palette = Buffer.alloc(parts.colours.length * 3)
  for (const [index, colour] of parts.colours.entries()) palette.writeUIntBE(colour, index * 3, 3)
  return Buffer.concat([
    signature,
    chunk('IHDR', header),
    chunk('PLTE', palette),
    ...Object.entries(parts.texts).map(([keyword, text]) => chunk('iTXt', Buffer.from(`${keyword}\0\0\0\0\0${text}`))),
    ...(parts.padding === undefined ? [] : [chunk('npAd', parts.padding)]),
    // Runs only: unlike zlib's other strategies it has no hash table, whose order differs between processors.
    chunk('IDAT', deflateSync(filtered(parts), { level: 6, strategy: constants.Z_RLE })),
    chunk('IEND', Buffer.alloc(0)),
  ])
}

/** Each row as its difference from the row above (filter type 2): equal rows become one run of zeros. */
function filtered({ width, height, pixels }: PngParts): Buffer {
  const rows = Buffer.alloc(height * (width + 1))
  const bytes = Buffer.from(pixels.buffer, pixels.byteOffset, pixels.byteLength)
  rows[0] = 2
  rows.set(pixels.subarray(0, width), 1)
  for (let y = 1; y < height; y++) {
    const at = y * (width + 1) + 1
    const from = y * width
    const above = from - width
    rows[at - 1] = 2
    if (bytes.compare(bytes, above, from, from, from + width) === 0) continue
    for (let x = 0; x < width; x++) rows[at + x] = (pixels[from + x] as number) - (pixels[above + x] as number)
  }
  return rows
}

function chunk(type: string, data: Buffer): Buffer {
  const whole = Buffer.alloc(data.length + 12)
  whole.writeUInt32BE(data.length, 0)
  whole.write(type, 4, 'latin1')
  data.copy(whole, 8)
  whole.writeUInt32BE(crc32(whole.subarray(4, data.length + 8)), data.length + 8)
  return whole
}

/** The iTXt chunks of a PNG of ours; empty where there are none. */
export function readPngTexts(png: Buffer): Record<string, string> {
  const texts: Record<string, string> = {}
  for (let at = signature.length; at + 12 <= png.length; at += 12 + png.readUInt32BE(at)) {
    if (png.toString('latin1', at + 4, at + 8) !== 'iTXt') continue
    const [keyword = '', ...rest] = png.toString('utf8', at + 8, at + 8 + png.readUInt32BE(at)).split('\0')
    texts[keyword] = rest.slice(4).join('\0')
  }
  return texts
}
