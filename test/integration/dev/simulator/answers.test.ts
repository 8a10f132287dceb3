import sharp from 'sharp'
import { describe, expect, it } from 'vitest'
import { readPngTexts } from '../../../../src/dev/simulator/picture/png.ts'
import { linkOf, schnell, startCaller, type GenerationBody, type Reply } from './caller.ts'

function datumOf(reply: Reply) {
  const body: GenerationBody = reply.json()
  return body.data[0]
}

describe('the form of an answer', () => {
  it('is a link at the place where the caller reached us, the other field null', async () => {
    const { call, simulator } = await startCaller()
    const reply = await call('A mug')
    const body: GenerationBody = reply.json()
    expect(Math.abs(body.created - Date.now() / 1000)).toBeLessThan(5)
    expect(body.data).toHaveLength(1)
    expect(body.data[0]?.b64_json).toBeNull()
    expect(new URL(linkOf(reply)).origin).toBe(new URL(simulator.baseUrl).origin)
    const elsewhere = await call('A mug', { headers: { host: 'simulator:9000' } })
    expect(linkOf(elsewhere)).toMatch(/^http:\/\/simulator:9000\/_assets\//)
  })

  it('is base64 where that was asked for', async () => {
    const { call } = await startCaller()
    const datum = datumOf(await call({ model: schnell, prompt: 'A mug', response_format: 'b64_json' }))
    expect(datum?.url).toBeNull()
    expect(
      Buffer.from(datum?.b64_json ?? '', 'base64')
        .subarray(1, 4)
        .toString(),
    ).toBe('PNG')
  })

  it('can be another than the asked one: data URI, both, or mixed by the request alone', async () => {
    const { call, control } = await startCaller()
    await control('PUT', '/options', { form: 'data_uri' })
    expect(datumOf(await call('A mug'))).toMatchObject({
      url: expect.stringMatching(/^data:image\/png;base64,/) as string,
    })
    await control('PUT', '/options', { form: 'both' })
    const both = datumOf(await call('A mug'))
    expect(both?.url).toMatch(/^http/)
    expect(both?.b64_json).toBeTypeOf('string')
    await control('PUT', '/options', { form: 'mixed' })
    const forms = async (other: Awaited<ReturnType<typeof startCaller>>) => {
      const seen: string[] = []
      for (let index = 0; index < 12; index++) {
        const datum = datumOf(await other.call(`A lamp ${String(index)}`))
        seen.push(`${datum?.url?.slice(0, 4) ?? '-'} ${datum?.b64_json === null ? '-' : 'b64'}`)
      }
      return seen
    }
    const other = await startCaller({ settings: { form: 'mixed' } })
    const seen = await forms(other)
    expect(new Set(seen)).toEqual(new Set(['http -', 'data -', '- b64', 'http b64']))
    expect(await forms(await startCaller({ settings: { form: 'mixed' } }))).toEqual(seen)
  })
})

describe('a picture', () => {
  it('is a whole PNG that says what was asked for', async () => {
    const { call, download } = await startCaller()
    const body = { model: schnell, prompt: 'Café mug, 日本', seed: 42, aspect_ratio: '16:9' }
    const { bytes } = await download(linkOf(await call(body)))
    expect(await sharp(bytes, { failOn: 'warning' }).raw().toBuffer({ resolveWithObject: true })).toMatchObject({
      info: { width: 1344, height: 768 },
    })
    expect(readPngTexts(bytes)).toMatchObject({
      'cratework-sim:model': schnell,
      'cratework-sim:prompt': 'Café mug, 日本',
      'cratework-sim:seed': '42',
      'cratework-sim:digest': expect.stringMatching(/^[0-9a-f]{64}$/) as string,
    })
  })

  it('has the same bytes for the same request with a seed, on any run', async () => {
    const body = { model: schnell, prompt: 'A mug', seed: 7, width: 256, height: 256 }
    const one = await startCaller()
    const other = await startCaller()
    const bytes = await Promise.all(
      [one, one, other].map(async ({ call, download }) => (await download(linkOf(await call(body)))).bytes),
    )
    expect(bytes[1]).toEqual(bytes[0])
    expect(bytes[2]).toEqual(bytes[0])
  })

  it('is another one for each payment of a request without a seed, in the same order on any run', async () => {
    const body = { model: schnell, prompt: 'A mug', width: 256, height: 256 }
    const seeds = async () => {
      const { call, download } = await startCaller()
      const seen: (string | undefined)[] = []
      for (let time = 0; time < 3; time++) {
        const { bytes } = await download(linkOf(await call(body)))
        seen.push(readPngTexts(bytes)['cratework-sim:seed'])
      }
      return seen
    }
    const first = await seeds()
    expect(new Set(first).size).toBe(3)
    expect(await seeds()).toEqual(first)
  })

  it('can name its call and weigh more', async () => {
    const { call, control, download } = await startCaller()
    await control('PUT', '/options', { stable_bytes: false, pad_bytes: 100_000 })
    const body = { model: schnell, prompt: 'A mug', seed: 7, width: 256, height: 256 }
    const { bytes } = await download(linkOf(await call(body)))
    expect(readPngTexts(bytes)['cratework-sim:call']).toBe('call_0000000001')
    expect(bytes.length).toBeGreaterThan(100_000)
    expect((await sharp(bytes, { failOn: 'warning' }).metadata()).width).toBe(256)
  })
})
