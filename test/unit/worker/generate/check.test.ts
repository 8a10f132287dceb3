import fc from 'fast-check'
import sharp from 'sharp'
import { beforeAll, describe, expect, it } from 'vitest'
import { checkImage } from '../../../../src/worker/generate/check.ts'

const images = new Map<string, Buffer>()

beforeAll(async () => {
  // Noise does not compress, so a cut anywhere loses rows.
  const noise = {
    create: {
      width: 90,
      height: 60,
      channels: 3,
      background: '#888',
      noise: { type: 'gaussian', mean: 128, sigma: 30 },
    },
  } as const
  const image = sharp(noise)
  images.set('png', await image.clone().png().toBuffer())
  images.set('jpeg', await image.clone().jpeg().toBuffer())
  images.set('webp', await image.clone().webp().toBuffer())
  images.set('avif', await image.clone().avif({ effort: 0 }).toBuffer())
})

function imageOf(format: string): Buffer {
  const image = images.get(format)
  if (image === undefined) throw new Error(`no ${format}`)
  return image
}

const refusal = { class: 'bad_output', code: 'output_invalid' }

describe('checkImage', () => {
  it.each([
    ['png', 'image/png', 'png'],
    ['jpeg', 'image/jpeg', 'jpg'],
    ['webp', 'image/webp', 'webp'],
    ['avif', 'image/avif', 'avif'],
  ])('says of a whole %s what it is and how large', async (format, contentType, ext) => {
    expect(await checkImage(imageOf(format))).toEqual({ width: 90, height: 60, contentType, ext })
  })

  it.each(['png', 'jpeg', 'webp', 'avif'])('refuses a %s that is cut anywhere', async (format) => {
    const image = imageOf(format)
    for (const part of [0.02, 0.3, 0.5, 0.9, 0.97]) {
      const cut = image.subarray(0, Math.floor(image.length * part))
      await expect(checkImage(cut)).rejects.toMatchObject(refusal)
    }
  })

  it('refuses of PNGs what a decoder of all pixels refuses, and nothing else', async () => {
    const image = sharp(imageOf('png'))
    const kinds = [
      await image.clone().png().toBuffer(),
      await image.clone().png({ progressive: true }).toBuffer(),
      await image.clone().png({ palette: true }).toBuffer(),
      await image.clone().resize(90, 1, { fit: 'fill' }).png().toBuffer(),
    ]
    for (const whole of kinds) {
      const damaged = fc.tuple(fc.integer({ min: 8, max: whole.length - 1 }), fc.nat(255)).map(([at, bits]) => {
        if (bits === 0) return whole.subarray(0, at)
        const bytes = Buffer.from(whole)
        bytes.writeUInt8(bytes.readUInt8(at) ^ bits, at)
        return bytes
      })
      const isRight = async (bytes: Buffer): Promise<void> => {
        const decodes = await sharp(bytes, { failOn: 'error' })
          .raw()
          .toBuffer()
          .then(
            () => true,
            () => false,
          )
        expect(
          await checkImage(bytes).then(
            () => true,
            () => false,
          ),
        ).toBe(decodes)
      }
      await isRight(whole)
      await isRight(whole.subarray(0, whole.length - 1))
      await fc.assert(fc.asyncProperty(damaged, isRight), { numRuns: 60 })
    }
  })

  it('refuses a PNG with one wrong byte', async () => {
    const image = Buffer.from(imageOf('png'))
    image.writeUInt8(image.readUInt8(image.length >> 1) ^ 0x55, image.length >> 1)
    await expect(checkImage(image)).rejects.toMatchObject(refusal)
  })

  it.each([
    ['nothing', Buffer.alloc(0)],
    ['a page', Buffer.from('<!doctype html><p>gone')],
    ['JSON', Buffer.from('{"error":"gone"}')],
    ['zeros', Buffer.alloc(5_000)],
    ['SVG, which sharp would draw', Buffer.from('<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>')],
    ['SVG with a file in it', Buffer.from('<?xml version="1.0"?><svg><image href="file:///etc/passwd"/></svg>')],
    ['magic bytes alone', Buffer.from('89504e470d0a1a0a', 'hex')],
    ['a script behind the magic of a JPEG', Buffer.from('ffd8ffe0', 'hex').toString('latin1').concat('/*<script>*/')],
  ])('refuses %s', async (_what, bytes) => {
    await expect(checkImage(Buffer.from(bytes))).rejects.toMatchObject(refusal)
  })

  it('never lets sharp near what is not on the list: it would draw an SVG and open the files in it', async () => {
    const svg = Buffer.from('<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>')
    await expect(sharp(svg).metadata()).resolves.toMatchObject({ format: 'svg' })
    await expect(checkImage(svg)).rejects.toThrow('is not a PNG, JPEG, WebP or AVIF image')
  })

  it('refuses formats that nobody asked for, whole as they may be', async () => {
    const image = sharp(imageOf('png'))
    for (const bytes of [await image.clone().gif().toBuffer(), await image.clone().tiff().toBuffer()]) {
      await expect(checkImage(bytes)).rejects.toMatchObject(refusal)
    }
  })

  it('refuses more than 50 million pixels before it decodes them', async () => {
    const huge = await sharp({
      create: { width: 10_000, height: 5_001, channels: 3, background: '#fff' },
      limitInputPixels: false,
    })
      .png({ compressionLevel: 1 })
      .toBuffer()
    const before = performance.now()
    await expect(checkImage(huge)).rejects.toThrow('more than 50 million pixels')
    expect(performance.now() - before).toBeLessThan(100)
  })

  it('refuses an animation', async () => {
    const frames = await sharp(Buffer.concat([Buffer.alloc(300, 10), Buffer.alloc(300, 200)]), {
      raw: { width: 10, height: 20, channels: 3, pageHeight: 10 },
    })
      .webp({ loop: 0, delay: [100, 100] })
      .toBuffer()
    await expect(checkImage(frames)).rejects.toThrow('animated')
  })

  it('takes what diffusion models make: alpha, grey, 16 bits, a colour profile', async () => {
    const image = sharp(imageOf('png'))
    const forms = [
      await image.clone().ensureAlpha(0.5).png().toBuffer(),
      await image.clone().greyscale().jpeg().toBuffer(),
      await image.clone().toColourspace('rgb16').png().toBuffer(),
      await image.clone().withIccProfile('p3').jpeg({ progressive: true }).toBuffer(),
      await image.clone().webp({ lossless: true }).toBuffer(),
    ]
    for (const bytes of forms) expect(await checkImage(bytes)).toMatchObject({ width: 90, height: 60 })
  })
})
