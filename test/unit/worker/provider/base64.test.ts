import { describe, expect, it } from 'vitest'
import fc from 'fast-check'
import { decodeBase64 } from '../../../../src/worker/provider/base64.ts'

describe('decodeBase64', () => {
  it('gives back any bytes, in either alphabet, padded or not, prefixed or not, with or without line breaks', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 200 }), (array) => {
        const bytes = Buffer.from(array)
        const standard = bytes.toString('base64')
        const forms = [
          standard,
          standard.replace(/=+$/, ''),
          bytes.toString('base64url'),
          `data:image/png;base64,${standard}`,
          `DATA:image/png;charset=x;BASE64,${bytes.toString('base64url')}`,
          standard.replace(/(.{7})/g, '$1\r\n'),
          `${standard}\n`,
        ]
        for (const form of forms) expect(decodeBase64(form)?.equals(bytes)).toBe(true)
      }),
    )
  })

  it.each([
    '',
    '=',
    '====',
    'A',
    'AAAAA',
    'AB=',
    'ABC==',
    'AB===',
    'AA==AA==',
    'AA=A',
    'AAA AAAA',
    'AAAA*',
    'AAA\u00e9',
    '<html>',
    '{}',
    'data:image/png;base64,',
    'data:image/png,AAAA',
    'data:AAAA',
    'data:image/svg+xml;utf8,<svg/>',
  ])('refuses %j, of which Buffer would make something', (text) => {
    // prettier-ignore
    expect(decodeBase64(text)).toBeUndefined()
  })
})
