/** Numbers that follow from a seed alone (mulberry32): what went wrong once goes wrong again. */
export interface SeededRandom {
  /** In [0, 1). */
  number(): number
  /** A whole number in [0, below). */
  below(count: number): number
  chance(probability: number): boolean
  pick<T>(among: readonly T[]): T | undefined
}

export function seededRandom(seed: number): SeededRandom {
  let state = seed >>> 0
  const number = (): number => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = state
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
  const below = (count: number): number => Math.floor(number() * count)
  return { number, below, chance: (probability) => number() < probability, pick: (among) => among[below(among.length)] }
}
