import { createHash } from 'node:crypto'
import sharp from 'sharp'
import { describe, expect, it } from 'vitest'
import { readPngTexts } from '../../../../../src/dev/simulator/picture/png.ts'
import { renderBlack, renderPicture, type Picture } from '../../../../../src/dev/simulator/picture/render.ts'

const sha256 = (bytes: string | Buffer) => createHash('sha256').update(bytes).digest('hex')

function picture(changed: Partial<Picture> = {}): Picture {
  return {
    model: 'black-forest-labs/FLUX.1-schnell',
    prompt: 'A sleek running shoe, white background, studio lighting',
    seed: 42,
    width: 256,
    height: 256,
    digest: sha256('running shoe'),
    call: undefined,
    padBytes: 0,
    ...changed,
  }
}

async function pixels(png: Buffer) {
  const { data, info } = await sharp(png, { failOn: 'warning' }).raw().toBuffer({ resolveWithObject: true })
  return { data, width: info.width, height: info.height, channels: info.channels }
}

describe('a picture', () => {
  it('has these very bytes, on every machine', () => {
    expect(sha256(renderPicture(picture()))).toBe('3137fb1efc15992e273576794a12bff0f30a7748c83c6d46335f2d70a92be524')
  })

  it.each([
    [256, 256],
    [2048, 256],
    [256, 2048],
    [1344, 768],
    [333, 257],
  ])('of %d x %d decodes whole at its size', async (width, height) => {
    const decoded = await pixels(renderPicture(picture({ width, height })))
    expect([decoded.width, decoded.height]).toEqual([width, height])
  })

  it('looks another way for another digest', async () => {
    const looks = await Promise.all(
      Array.from({ length: 12 }, (_, index) => pixels(renderPicture(picture({ digest: sha256(String(index)) })))),
    )
    for (const [index, one] of looks.entries())
      for (const other of looks.slice(index + 1)) expect(differing(one.data, other.data)).toBeGreaterThan(0.0005)
  })

  it('shows its prompt, model and seed', async () => {
    const one = await pixels(renderPicture(picture({ width: 512, height: 512 })))
    for (const [what, changed] of Object.entries({
      prompt: { prompt: 'A sleek running shoe, white background, studio shadows' },
      model: { model: 'black-forest-labs/FLUX.1-dev' },
      seed: { seed: 43 },
    })) {
      // Another key of the cache, the same look: only the letters can differ.
      const other = await pixels(renderPicture(picture({ width: 512, height: 512, ...changed, call: what })))
      expect(differing(one.data, other.data), what).toBeGreaterThan(0.00002)
      expect(differing(one.data, other.data), what).toBeLessThan(0.02)
    }
  })

  it('holds what was asked for as text, in any script', () => {
    const prompt = 'Café – 日本 🙂\nsecond line'
    expect(readPngTexts(renderPicture(picture({ prompt, digest: sha256(prompt), call: 'call_1' })))).toEqual({
      'cratework-sim:model': 'black-forest-labs/FLUX.1-schnell',
      'cratework-sim:prompt': prompt,
      'cratework-sim:seed': '42',
      'cratework-sim:digest': sha256(prompt),
      'cratework-sim:call': 'call_1',
    })
  })

  it('can be made heavier without another look', async () => {
    const light = renderPicture(picture())
    const heavy = renderPicture(picture({ padBytes: 50_000 }))
    expect(heavy.length).toBe(light.length + 50_000 + 12)
    expect((await pixels(heavy)).data).toEqual((await pixels(light)).data)
    expect((await sharp(heavy).png().toBuffer()).length).toBeLessThan(50_000)
  })
})

it('black is black', async () => {
  const { data, width, height } = await pixels(renderBlack(64, 32))
  expect([width, height, data.every((value) => value === 0)]).toEqual([64, 32, true])
})

/** Share of the bytes that differ. */
function differing(one: Buffer, other: Buffer): number {
  let count = 0
  for (const [index, value] of one.entries()) if (value !== other[index]) count += 1
  return count / one.length
}
