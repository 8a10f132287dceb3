import { expect, it } from 'vitest'
import { newTaken } from '../../../../src/shared/intake/unique.ts'

function codesOf(keys: readonly string[]): string[] {
  const taken = newTaken()
  return keys.flatMap((key, index) => taken.take(index, `id-${String(index)}`, key).map(({ message }) => message))
}

it('finds a custom id that another item has', () => {
  const taken = newTaken()
  expect(taken.take(0, 'a', 'k0')).toEqual([])
  expect(taken.take(1, 'b', 'k1')).toEqual([])
  expect(taken.take(2, 'a', 'k2')).toEqual([
    { param: 'custom_id', code: 'duplicate_custom_id', message: 'is that of items[0] too' },
  ])
  expect(taken.take(3, '__proto__', 'k3')).toEqual([])
  expect(taken.take(4, 'b', 'k1').map(({ code }) => code)).toEqual(['duplicate_custom_id', 'duplicate_key'])
})

it.each<[string[], string | undefined]>([
  [['a.png', 'a.png'], 'is the key of items[0] too'],
  [['a.{{ext}}', 'a.{{ext}}'], 'is the key of items[0] too'],
  [['a.{{ext}}', 'a.png'], 'is the key of items[0] too'],
  [['b.png', 'a.webp', 'a.{{ext}}'], 'is the key of items[1] too'],
  [['a', 'a.{{ext}}'], 'is the key of items[0] too'],
  [['a.png', 'a.jpg'], undefined],
  [['a.png', 'A.png'], undefined],
  [['a/b.{{ext}}', 'a/c.{{ext}}', 'a.{{ext}}'], undefined],
])('of keys %j says %j', (keys, message) => {
  expect(codesOf(keys)).toEqual(message === undefined ? [] : [message])
})
