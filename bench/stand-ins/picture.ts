import sharp from 'sharp'

const searchSteps = 12

/**
 * A square PNG of about so many bytes, by its data alone and not by padding, so that decoding it costs what a photo of
 * that weight costs: a soft gradient under grain, and the more grain the more bytes. The same on every run.
 */
export async function pictureOf(side: number, bytes: number): Promise<Buffer> {
  let [least, most] = [0, 64]
  let png: Buffer = Buffer.alloc(0)
  for (let step = 0; step < searchSteps && Math.abs(png.length - bytes) > bytes / 50; step += 1) {
    const grain = (least + most) / 2
    png = await encode(side, grain)
    if (png.length > bytes) most = grain
    else least = grain
  }
  return png
}

async function encode(side: number, grain: number): Promise<Buffer> {
  const random = numbers(7)
  const pixels = Buffer.alloc(side * side * 3)
  for (let at = 0; at < pixels.length; at += 1) {
    const pixel = Math.floor(at / 3)
    const shade = 60 + (80 * (pixel % side) + 60 * Math.floor(pixel / side)) / side
    pixels[at] = Math.round(shade + (random() - 0.5) * grain)
  }
  const raw = { width: side, height: side, channels: 3 as const }
  return await sharp(pixels, { raw }).png({ compressionLevel: 6, adaptiveFiltering: true }).toBuffer()
}

/** Numbers in [0, 1), always the same ones (mulberry32). */
function numbers(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}
