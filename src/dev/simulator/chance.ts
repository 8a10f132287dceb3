import { createHash } from 'node:crypto'

/** A number in [0, 1) that follows from its parts alone: the simulator throws no dice, so that a run can be repeated. */
export function chance(...parts: readonly (string | number)[]): number {
  return createHash('sha256').update(parts.join('\n')).digest().readUIntBE(0, 6) / 2 ** 48
}
