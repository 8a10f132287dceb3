import { describe, expect, it } from 'vitest'
import { parseObject, readImage } from '../../../../src/worker/provider/answer.ts'

const bytes = Buffer.from('an image')
const encoded = bytes.toString('base64')
const url = 'https://assets.example/a.png'

describe('readImage', () => {
  it.each([
    ['b64_json', { b64_json: encoded, url: null }],
    ['b64_json alone', { b64_json: encoded }],
    ['a data: URI in url', { url: `data:image/png;base64,${encoded}`, b64_json: null }],
    ['a data: URI in b64_json', { b64_json: `data:image/png;base64,${encoded}` }],
    ['b64_json beside a URL', { url, b64_json: encoded }],
  ])('takes the bytes from %s', (_form, datum) => {
    expect(readImage({ data: [datum] })).toEqual({ kind: 'bytes', bytes })
  })

  it('prefers b64_json to a data: URI', () => {
    const other = Buffer.from('other').toString('base64')
    const image = readImage({ data: [{ b64_json: encoded, url: `data:image/png;base64,${other}` }] })
    expect(image).toEqual({ kind: 'bytes', bytes })
  })

  it('takes the URL where there is nothing else to use', () => {
    expect(readImage({ data: [{ url, b64_json: null }] })).toEqual({ kind: 'url', url })
    expect(readImage({ data: [{ url, b64_json: '' }] })).toEqual({ kind: 'url', url })
    expect(readImage({ data: [{ url, b64_json: 'not base64!' }] })).toEqual({ kind: 'url', url })
    expect(readImage({ data: { url } })).toEqual({ kind: 'url', url })
    expect(readImage({ data: [null, {}, { url }], unknown: 1 })).toEqual({ kind: 'url', url })
  })

  it.each([
    {},
    { data: null },
    { data: [] },
    { data: [{}] },
    { data: [null] },
    { data: ['x'] },
    { data: 'x' },
    { data: [{ url: null, b64_json: null }] },
    { data: [{ url: 5 }] },
    { data: [{ url: '/relative.png' }] },
    { data: [{ url: 'ftp://x/a.png' }] },
    { data: [{ url: 'file:///etc/passwd' }] },
    { data: [{ b64_json: '****' }] },
    { data: [{ url: 'https://' }] },
    { images: [{ url }] },
  ])('finds nothing to use in %j', (body) => {
    // prettier-ignore
    expect(readImage(body)).toBeUndefined()
  })
})

describe('parseObject', () => {
  it('reads an object, with a byte order mark and space around too', () => {
    expect(parseObject(Buffer.from('\uFEFF {"a":1}\n'))).toEqual({ a: 1 })
  })

  it.each(['', '{', '[]', 'null', '1', '"x"', '<html>', '{"a":NaN}', '\xff'])('gives nothing for %j', (text) => {
    expect(parseObject(Buffer.from(text, 'latin1'))).toBeUndefined()
  })
})
