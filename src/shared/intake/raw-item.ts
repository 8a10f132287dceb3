import type { Fault } from '../contract/fault.ts'

/** One item as it came, before anything of it was checked. */
export interface RawItem {
  /** Physical line of the upload from 1; in a JSON body its place among the items. */
  readonly line: number
  /** Undefined where nothing of it could be read. */
  readonly raw: unknown
  /** What kept it from being read whole. */
  readonly fault?: Fault | undefined
  /** Nothing behind it can be read either: such an upload is refused, whatever becomes of bad lines. */
  readonly isLast?: true
}

/** So many are read in one go; then others' requests have their turn. */
const itemsAtOnce = 100

/** The items of a JSON body, a few at a time. */
export function* itemsOf(items: readonly unknown[]): Generator<readonly RawItem[]> {
  for (let from = 0; from < items.length; from += itemsAtOnce) {
    yield items.slice(from, from + itemsAtOnce).map((raw, at) => ({ line: from + at + 1, raw }))
  }
}
