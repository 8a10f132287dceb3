import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { parseObject, readImage, type AnsweredImage } from '../../../../src/worker/provider/answer.ts'
import { imageOfAnswer, scanForImage } from '../../../../src/worker/provider/scan-answer.ts'

const bytes = Buffer.from('an image of some length')
const encoded = bytes.toString('base64')
const url = 'https://assets.example/a.png'

/** What the parser alone makes of a body: the judge. */
function byParser(body: Buffer): AnsweredImage | undefined {
  const parsed = parseObject(body)
  return parsed === undefined ? undefined : readImage(parsed)
}

/** Base64, or nearly so. */
const imageText = fc.oneof(
  fc.uint8Array({ maxLength: 40 }).map((array) => Buffer.from(array).toString('base64')),
  fc.uint8Array({ maxLength: 40 }).map((array) => Buffer.from(array).toString('base64url')),
  fc
    .uint8Array({ minLength: 1, maxLength: 9 })
    .map((array) => `data:image/png;base64,${Buffer.from(array).toString('base64')}`),
  fc.string({
    unit: fc.constantFrom('A', '=', '+', '-', '_', '/', ' ', '\n', '\\', '"', ',', '\u00a0', '\u00e9', '\0'),
    maxLength: 12,
  }),
  fc.constantFrom('the image was here!', '"b64_json":"AAAA"', url, ''),
)
const leaf = fc.oneof(imageText, fc.constantFrom(null, 1, true, url), fc.string())
const datum = fc.oneof(
  leaf,
  fc.dictionary(fc.constantFrom('b64_json', 'url', 'revised_prompt', 'x"b64_json'), leaf, { maxKeys: 3 }),
)
const data = fc.oneof(datum, fc.array(datum, { maxLength: 3 }))
const answer = fc.dictionary(fc.constantFrom('data', 'b64_json', 'created', 'error'), fc.oneof(data, leaf), {
  maxKeys: 4,
})
/** As servers write it: dense, indented, or with all that is not plain ASCII escaped. */
const json = fc.tuple(answer, fc.constantFrom('dense', 'wide', 'ascii')).map(([value, style]) => {
  const text = JSON.stringify(value, null, style === 'wide' ? 1 : 0)
  return style === 'ascii'
    ? text.replace(/[^ -~]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`)
    : text
})

describe('imageOfAnswer', () => {
  it('says what the parser says, of any answer', () => {
    fc.assert(
      fc.property(json, (text) => {
        const body = Buffer.from(text)
        expect(imageOfAnswer(body)).toEqual(byParser(body))
      }),
      { numRuns: 3_000 },
    )
  })

  it('says what the parser says, of an answer that was damaged anywhere', () => {
    const whole = Buffer.from(JSON.stringify({ created: 1, data: [{ url: null, b64_json: encoded }] }))
    const strange = fc.constantFrom(...Buffer.from('"\\:,{}[]=A+-_ \n\u00a0\u0000').values(), 0xff, 0xa0)
    fc.assert(
      fc.property(fc.nat(whole.length - 1), fc.array(strange, { maxLength: 3 }), fc.nat(3), (at, put, gone) => {
        const body = Buffer.concat([whole.subarray(0, at), Buffer.from(put), whole.subarray(at + gone)])
        expect(imageOfAnswer(body)).toEqual(byParser(body))
      }),
      { numRuns: 3_000 },
    )
  })

  it.each([
    ['dense', `{"created":1,"data":[{"url":null,"b64_json":"${encoded}"}]}`],
    ['with spaces', `{ "data" : [ { "b64_json" : "${encoded}", "url" : "${url}" } ] }`],
    [
      'with other text in it',
      `{"data":[{"b64_json":"${encoded}","revised_prompt":"a \\"b64_json\\":\\"shoe\\" \u00e9"}]}`,
    ],
    ['unpadded', `{"data":[{"b64_json":"${encoded.replaceAll('=', '')}"}]}`],
    ['in an object in place of a list', `{"data":{"b64_json":"${encoded}"}}`],
    ['behind a byte order mark', `\uFEFF{"data":[{"b64_json":"${encoded}"}]}`],
  ])('finds the image without the parser: %s', (_, text) => {
    expect(scanForImage(Buffer.from(text))).toEqual(bytes)
    expect(imageOfAnswer(Buffer.from(text))).toEqual({ kind: 'bytes', bytes })
  })

  it.each([
    ['an image of its own goes before one of another place', `{"b64_json":"AAAA","data":[{"b64_json":"${encoded}"}]}`],
    ['of two the first', `{"data":[{"b64_json":"${encoded}"},{"b64_json":"AAAA"}]}`],
    ['the last of two equal names', `{"data":[{"b64_json":"AAAA","b64_json":"${encoded}"}]}`],
    [
      'the last of two equal names, one of them escaped',
      `{"data":[{"b64_json":"AAAA","b64\\u005fjson":"${encoded}"}]}`,
    ],
    ['escaped base64', `{"data":[{"b64_json":"${encoded.slice(0, 8)}\\r\\n${encoded.slice(8)}"}]}`],
    ['a data: URI', `{"data":[{"b64_json":"data:image/png;base64,${encoded}"}]}`],
  ])('leaves to the parser: %s', (_, text) => {
    expect(scanForImage(Buffer.from(text))).toBeUndefined()
    expect(imageOfAnswer(Buffer.from(text))).toEqual({ kind: 'bytes', bytes })
  })

  it('takes the URL where the base64 is broken, and not what could be decoded of it', () => {
    const text = `{"data":[{"b64_json":"${encoded.slice(0, 9)}*${encoded.slice(9)}","url":"${url}"}]}`
    expect(imageOfAnswer(Buffer.from(text))).toEqual({ kind: 'url', url })
  })

  it('leaves to the parser what holds more than one image and a few words', () => {
    const text = JSON.stringify({ data: [{ b64_json: encoded }], more: 'x'.repeat(70_000) })
    expect(scanForImage(Buffer.from(text))).toBeUndefined()
    expect(imageOfAnswer(Buffer.from(text))).toEqual({ kind: 'bytes', bytes })
  })

  it.each([
    ['as it is', '"b64_json":"the image was here!"'],
    ['escaped', '"b64_json":"the image was here\\u0021"'],
    ['under an escaped name', '"b64\\u005fjson":"the image was here!"'],
  ])('is not fooled by an answer that says what stands for the image itself, %s', (_, last) => {
    const body = Buffer.from(`{"data":[{"x\\"b64_json":"${encoded}",${last}}]}`)
    expect(imageOfAnswer(body)).toBeUndefined()
  })

  it('takes no image from an answer that does not end', () => {
    const text = `{"data":[{"b64_json":"${encoded}"}]`
    expect(imageOfAnswer(Buffer.from(text))).toBeUndefined()
    expect(imageOfAnswer(Buffer.from(text.slice(0, -3)))).toBeUndefined()
  })
})
