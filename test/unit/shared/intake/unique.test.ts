import fc from 'fast-check'
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
  [['a.png', 'a.PNG', 'a.jpeg', 'a.jpg', 'a'], undefined],
  [['a.PNG', 'a.png', 'a.PNG'], 'is the key of items[0] too'],
  [['a.PNG', 'a.{{ext}}'], 'is the key of items[0] too'],
])('of keys %j says %j', (keys, message) => {
  expect(codesOf(keys)).toEqual(message === undefined ? [] : [message])
})

it('notes neither id nor key of an item that shares one of them', () => {
  const taken = newTaken()
  taken.take(0, 'a', 'k0')
  expect(taken.take(1, 'a', 'k1')).toHaveLength(1)
  expect(taken.take(2, 'b', 'k0')).toHaveLength(1)
  expect(taken.take(3, 'b', 'k1')).toEqual([])
  expect(taken.takeId(4, 'b')).toBe(false)
  expect(taken.takeId(4, 'c')).toBe(true)
  expect(taken.takeId(5, 'c')).toBe(false)
})

it('says of keys what a comparison of all with all says', () => {
  const key = fc
    .tuple(
      fc.constantFrom('a', 'b', 'a/b'),
      fc.constantFrom('', '.png', '.PNG', '.pnG', '.jpg', '.webp', '.{{ext}}', '.gif'),
    )
    .map(([stem, extension]) => stem + extension)
  const isOpen = (one: string): boolean => one.endsWith('.{{ext}}')
  const stem = (one: string): string => one.replace(/\.(png|jpg|webp|\{\{ext\}\})$/i, '')
  const same = (one: string, other: string): boolean =>
    one === other || (stem(one) === stem(other) && (isOpen(one) || isOpen(other)))
  fc.assert(
    fc.property(fc.array(key, { maxLength: 12 }), (keys) => {
      const taken = newTaken()
      const kept: string[] = []
      for (const [index, one] of keys.entries()) {
        const faults = taken.take(index, String(index), one)
        expect(faults.length > 0).toBe(kept.some((other) => same(one, other)))
        if (faults.length === 0) kept.push(one)
      }
    }),
  )
})
