import { randomBytes, randomInt } from 'node:crypto'

/** The one door to randomness. Handed down, so that a test can seed it. */
export interface Random {
  /** A float in [0, 1). */
  number(): number
  bytes(count: number): Buffer
}

export const systemRandom: Random = {
  number: () => randomInt(2 ** 47) / 2 ** 47,
  bytes: (count) => randomBytes(count),
}
