import { describe, expect, it } from 'vitest'
import { readInput } from '../../../../src/dev/simulator/input-image.ts'

const head = (magic: string) => Buffer.concat([Buffer.from(magic, 'latin1'), Buffer.alloc(30, 1)])

describe('an input image', () => {
  it('may be a link, which is not fetched', () => {
    expect(readInput('https://shop.test/a.png')?.size).toBeUndefined()
    expect(readInput('https://shop.test/a.png')).not.toEqual(readInput('https://shop.test/b.png'))
  })

  it.each([
    ['PNG', '\x89PNG\r\n\x1a\n', 'png'],
    ['JPEG', '\xff\xd8\xff\xe0', 'jpeg'],
    ['GIF', 'GIF89a', 'gif'],
    ['WebP', 'RIFF\x10\0\0\0WEBP', 'webp'],
  ])('may be a %s, as a data: URI or as bare base64: the same image', (_, magic, type) => {
    const base64 = head(magic).toString('base64')
    const bare = readInput(base64)
    expect(bare?.sha256).toMatch(/^[0-9a-f]{64}$/)
    expect(readInput(`data:image/${type};base64,${base64}`)).toEqual(bare)
  })

  it.each(['', 'photo.png', 'data:image/png;base64,AAAA', Buffer.alloc(40, 7).toString('base64')])(
    'may not be %j',
    (text) => {
      expect(readInput(text)).toBeUndefined()
    },
  )
})
