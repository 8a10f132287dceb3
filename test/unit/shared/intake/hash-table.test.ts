import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { hashOf, newHashTable } from '../../../../src/shared/intake/hash-table.ts'
import { newTaken } from '../../../../src/shared/intake/unique.ts'

it('knows what was added, by text and tag, and nothing else', () => {
  const entry = fc.record({ text: fc.string({ maxLength: 3 }), tag: fc.constantFrom(0, 1, 4_095) })
  fc.assert(
    fc.property(fc.array(entry, { maxLength: 200 }), (entries) => {
      const table = newHashTable()
      const known = new Map<string, number>()
      for (const [at, { text, tag }] of entries.entries()) {
        const index = 1_000_000 + at
        const key = JSON.stringify([text, tag])
        const found = table.find(hashOf(text), (other) => other === tag)
        expect(found).toBe(known.get(key))
        if (found !== undefined) continue
        table.add(hashOf(text), tag, index)
        known.set(key, index)
      }
    }),
  )
})

/** What typed arrays hold that somebody can still reach. */
function arrayBytes(): number {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  collect()
  return process.memoryUsage().arrayBuffers
}

it('finds each of a million ids and keys in at most 32 MB', () => {
  const taken = newTaken()
  const before = arrayBytes()
  const key = (index: number): string => `batch_01ARZ3NDEKTSV4RRFFQ69G5FAV/sku-${String(index)}.{{ext}}`
  for (let index = 0; index < 1_000_000; index += 1) {
    if (taken.take(index, `sku-${String(index)}`, key(index)).length > 0) throw new Error(`${String(index)} is new`)
  }
  expect(arrayBytes() - before).toBeLessThan(32_000_000)
  for (const index of [0, 1, 77_777, 500_000, 999_999]) {
    expect(taken.takeId(index, `sku-${String(index)}`)).toBe(false)
    expect(taken.take(1_000_000, 'new', key(index)).map(({ message }) => message)).toEqual([
      `is the key of items[${String(index)}] too`,
    ])
  }
}, 30_000)
