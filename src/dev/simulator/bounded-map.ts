/** A map that forgets its oldest entries beyond a number of entries or a weight: nothing here may grow without end. */
export interface BoundedMap<Value> {
  readonly size: number
  get(key: string): Value | undefined
  set(key: string, value: Value, weight?: number): void
  values(): Iterable<Value>
  entries(): Iterable<readonly [string, Value]>
  clear(): void
}

export function boundedMap<Value>(entriesMax: number, weightMax = Number.POSITIVE_INFINITY): BoundedMap<Value> {
  const kept = new Map<string, { value: Value; weight: number }>()
  let total = 0
  return {
    get size() {
      return kept.size
    },
    get: (key) => kept.get(key)?.value,
    set(key, value, weight = 1) {
      total += weight - (kept.get(key)?.weight ?? 0)
      kept.set(key, { value, weight })
      for (const [oldest, entry] of kept) {
        if ((kept.size <= entriesMax && total <= weightMax) || oldest === key) break
        kept.delete(oldest)
        total -= entry.weight
      }
    },
    *values() {
      for (const { value } of kept.values()) yield value
    },
    *entries() {
      for (const [key, { value }] of kept) yield [key, value] as const
    },
    clear() {
      kept.clear()
      total = 0
    },
  }
}
