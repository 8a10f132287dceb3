import { hash } from 'node:crypto'

/**
 * Texts of a batch's items, each with a tag and the item that has it, for up to a million of them in 15 MB: only their
 * hashes are kept (SHA-256, of which 70 bits count). That two different texts of a million are taken for the same has a
 * probability of 4e-10 (n²/2 pairs, 2^70 hashes).
 */
export interface HashTable {
  /** The first item found that has this text with a tag that `matches`. */
  find(text: TextHash, matches: (tag: number) => boolean): number | undefined
  /** Notes that an item has a text. `tag` from 0 to 4,095, `index` from 0 to 1,048,574. */
  add(text: TextHash, tag: number, index: number): void
}

/** What the table knows a text by. */
export interface TextHash {
  readonly segment: number
  readonly first: number
  readonly second: number
}

export function hashOf(text: string): TextHash {
  // As text: several times faster than as a buffer.
  const digest = hash('sha256', text, 'binary')
  return { segment: digest.charCodeAt(8) % segmentCount, first: wordAt(digest, 0), second: wordAt(digest, 4) }
}

function wordAt(digest: string, at: number): number {
  const high = (digest.charCodeAt(at) << 8) | digest.charCodeAt(at + 1)
  const low = (digest.charCodeAt(at + 2) << 8) | digest.charCodeAt(at + 3)
  return high * 2 ** 16 + low
}

/** The table is cut into segments, so that growing one needs little beside it. */
const segmentCount = 64
/** Words of a place: 32 bits of the hash, 32 more, and 12 bits of tag beside 20 of the item's index + 1; 0 is free. */
const wordsEach = 3
const indexBits = 20
const indexMask = 2 ** indexBits - 1
const fullness = 0.85
/** Places of a segment that a million texts need at most, whatever they are: 15,625 on average, and 0.85 of this. */
const placesEnough = 19_532

interface Segment {
  words: Uint32Array
  places: number
  used: number
}

export function newHashTable(): HashTable {
  const segments = new Map<number, Segment>()

  return {
    find({ segment: at, first, second }, matches) {
      const segment = segments.get(at)
      if (segment === undefined) return undefined
      const { words, places } = segment
      for (let place = first % places; ; place = (place + 1) % places) {
        const last = words[place * wordsEach + 2] ?? 0
        if (last === 0) return undefined
        if (words[place * wordsEach] !== first || words[place * wordsEach + 1] !== second) continue
        if (matches(last >>> indexBits)) return (last & indexMask) - 1
      }
    },
    add({ segment: at, first, second }, tag, index) {
      const segment = segments.get(at) ?? newSegment(8)
      segments.set(at, segment)
      if (segment.used + 1 > segment.places * fullness) grow(segment)
      put(segment, first, second, ((tag << indexBits) | (index + 1)) >>> 0)
    },
  }
}

function newSegment(places: number): Segment {
  return { words: new Uint32Array(places * wordsEach), places, used: 0 }
}

function grow(segment: Segment): void {
  const doubled = segment.places * 2
  const { words, places } = segment
  Object.assign(segment, newSegment(segment.places < placesEnough ? Math.min(doubled, placesEnough) : doubled))
  for (let at = 0; at < places * wordsEach; at += wordsEach) {
    const last = words[at + 2] ?? 0
    if (last !== 0) put(segment, words[at] ?? 0, words[at + 1] ?? 0, last)
  }
}

function put(segment: Segment, first: number, second: number, last: number): void {
  const { words, places } = segment
  let place = first % places
  while (words[place * wordsEach + 2] !== 0) place = (place + 1) % places
  words[place * wordsEach] = first
  words[place * wordsEach + 1] = second
  words[place * wordsEach + 2] = last
  segment.used += 1
}
