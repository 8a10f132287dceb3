import { describe, expect, it } from 'vitest'
import { plainSentence } from '../../../../src/worker/provider/plain-sentence.ts'

describe('plainSentence', () => {
  it('leaves an ordinary sentence as it is', () => {
    const text = 'width must be between 256 and 2048; see https://docs.example/images.'
    expect(plainSentence(text)).toBe(text)
  })

  it('never shows the key, ours or any of its shape', () => {
    const key = 'some-key-of-any-form'
    const shown = plainSentence(`Bad key ${key} or rc_live_abcDEF123 or rc_live_ab****yz.`, key)
    expect(shown).toBe('Bad key [key] or [key] or [key]')
  })

  it('never shows image data', () => {
    const data = Buffer.alloc(3_000, 7).toString('base64')
    expect(plainSentence(`cannot decode ${data} sorry`)).toBe('cannot decode [data] sorry')
    expect(plainSentence(`got data:image/png;base64,${data}`)).toBe('got [data]')
  })

  it('is one line of at most 500 characters', () => {
    expect(plainSentence('a\r\n\tb\u0000c')).toBe('a b c')
    expect(plainSentence('word '.repeat(1_000))).toHaveLength(500)
  })
})
