/** The states of an item, four bits each; the same numbers as in `states.lua`. */
export const itemState = {
  /** Accepted, not on a queue. */
  open: 0,
  /** On a generate queue: waiting, or backing off. */
  fed: 1,
  /** Being called or stored. */
  in_progress: 2,
  succeeded: 3,
  reused: 4,
  failed: 5,
  cancelled: 6,
  expired: 7,
} as const

export type ItemState = keyof typeof itemState

/** The state of item `index` in the packed string that Redis holds; what is not written yet is open. */
export function stateAt(packed: Buffer, index: number): number {
  const byte = packed[index >> 1] ?? 0
  return index % 2 === 0 ? byte >> 4 : byte & 15
}

/** The string that Redis holds for `total` items, all open but those named. */
export function packStates(total: number, states: ReadonlyMap<number, number>): Buffer {
  const packed = Buffer.alloc(Math.ceil(total / 2))
  for (const [index, state] of states) {
    const at = index >> 1
    packed[at] = (packed[at] ?? 0) | (index % 2 === 0 ? state << 4 : state)
  }
  return packed
}
