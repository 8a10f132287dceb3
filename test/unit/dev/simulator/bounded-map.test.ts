import { expect, it } from 'vitest'
import { boundedMap } from '../../../../src/dev/simulator/bounded-map.ts'

it('forgets its oldest entries beyond a number', () => {
  const map = boundedMap<number>(2)
  map.set('a', 1)
  map.set('b', 2)
  map.set('b', 3)
  expect([...map.entries()]).toEqual([
    ['a', 1],
    ['b', 3],
  ])
  map.set('c', 4)
  expect([map.get('a'), map.get('b'), map.get('c'), map.size]).toEqual([undefined, 3, 4, 2])
})

it('forgets its oldest entries beyond a weight, but never the newest', () => {
  const map = boundedMap<string>(100, 10)
  map.set('a', 'a', 4)
  map.set('b', 'b', 4)
  map.set('c', 'c', 4)
  expect([...map.values()]).toEqual(['b', 'c'])
  map.set('d', 'd', 50)
  expect([...map.values()]).toEqual(['d'])
  map.clear()
  map.set('e', 'e', 10)
  expect([...map.values()]).toEqual(['e'])
})
