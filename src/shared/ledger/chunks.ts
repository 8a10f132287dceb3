import type { InputItem } from '../contract/accepted.ts'
import { parseItemId } from '../contract/ids.ts'
import type { StoredResultLine } from '../contract/result.ts'
import { inputChunkPath, inputPrefix, resultChunkPath } from './paths.ts'
import { StoreConflict, type Store } from './store.ts'

/** Items in a chunk: the unit in which input and results are stored. */
export const chunkSize = 500

export function chunkOf(index: number): number {
  return Math.floor(index / chunkSize)
}

const jsonl = 'application/x-ndjson'

/** Writes one chunk of input under this attempt's own folder. A second write of the same chunk changes nothing. */
export async function writeInputChunk(
  store: Store,
  place: { batch: string; attempt: string; chunk: number },
  items: readonly InputItem[],
  deadlineMs?: number,
): Promise<void> {
  const body = items.map((item) => `${JSON.stringify(item)}\n`).join('')
  try {
    await store.put(inputChunkPath(place.batch, place.attempt, place.chunk), body, {
      condition: 'absent',
      contentType: jsonl,
      deadlineMs,
    })
  } catch (error) {
    if (!(error instanceof StoreConflict)) throw error
  }
}

/** The items of a chunk, in order. Throws where the chunk is not there: the manifest said that it is. */
export async function readInputChunk(
  store: Store,
  place: { batch: string; attempt: string; chunk: number },
): Promise<InputItem[]> {
  const found = await store.get(inputChunkPath(place.batch, place.attempt, place.chunk))
  if (found === undefined)
    throw new Error(`input chunk ${String(place.chunk)} of ${place.batch} is missing in the ledger`)
  return lines(found.body).map((line) => JSON.parse(line) as InputItem)
}

const removedAtOnce = 16

/** Takes input away: of one attempt, of all but one, or all. */
export async function removeInput(
  store: Store,
  batch: string,
  which: { readonly of?: string; readonly but?: string } = {},
): Promise<void> {
  const kept = which.but === undefined ? undefined : inputPrefix(batch, which.but)
  let after: string | undefined
  for (;;) {
    const page = await store.list(inputPrefix(batch, which.of), after === undefined ? {} : { after })
    const keys = kept === undefined ? page.keys : page.keys.filter((key) => !key.startsWith(kept))
    for (let from = 0; from < keys.length; from += removedAtOnce) {
      await Promise.all(keys.slice(from, from + removedAtOnce).map((key) => store.remove(key)))
    }
    after = page.keys.at(-1)
    if (!page.more || after === undefined) return
  }
}

/** When a batch's input was last written to; undefined where there is none. */
export async function inputWrittenMs(store: Store, batch: string): Promise<number | undefined> {
  let latest: number | undefined
  let after: string | undefined
  for (;;) {
    const page = await store.list(inputPrefix(batch), after === undefined ? {} : { after })
    for (const ms of page.modifiedMs) latest = Math.max(latest ?? 0, ms)
    after = page.keys.at(-1)
    if (!page.more || after === undefined) return latest
  }
}

/** The outcomes of a chunk that are in the ledger, by item index. */
export async function readResultChunk(
  store: Store,
  batch: string,
  chunk: number,
): Promise<Map<number, StoredResultLine>> {
  const found = await store.get(resultChunkPath(batch, chunk))
  return found === undefined ? new Map() : resultLines(found.body)
}

/**
 * Adds outcomes to a chunk's file: of two lines of one item, the higher round wins. Other writers may do the same at
 * the same time; the store decides, and the loser reads again and merges.
 */
export async function mergeResultChunk(
  store: Store,
  batch: string,
  chunk: number,
  added: readonly StoredResultLine[],
): Promise<void> {
  const path = resultChunkPath(batch, chunk)
  for (;;) {
    const found = await store.get(path)
    const merged = found === undefined ? new Map<number, StoredResultLine>() : resultLines(found.body)
    let changed = false
    for (const line of added) {
      const index = indexOf(line)
      const stands = merged.get(index)
      if (stands !== undefined && stands.round >= line.round) continue
      merged.set(index, line)
      changed = true
    }
    if (!changed) return
    const body = [...merged.entries()]
      .sort(([a], [b]) => a - b)
      .map(([, line]) => `${JSON.stringify(line)}\n`)
      .join('')
    try {
      await store.put(path, body, {
        condition: found === undefined ? 'absent' : { etag: found.etag },
        contentType: jsonl,
      })
      return
    } catch (error) {
      if (!(error instanceof StoreConflict)) throw error
    }
  }
}

function resultLines(body: Buffer): Map<number, StoredResultLine> {
  const found = new Map<number, StoredResultLine>()
  for (const text of lines(body)) {
    const line = JSON.parse(text) as StoredResultLine
    found.set(indexOf(line), line)
  }
  return found
}

/** The index that an outcome's item id names. */
export function indexOf(line: { id: string }): number {
  const parsed = parseItemId(line.id)
  if (parsed === undefined) throw new Error(`no item id: ${line.id}`)
  return parsed.index
}

function lines(body: Buffer): string[] {
  return body
    .toString()
    .split('\n')
    .filter((line) => line !== '')
}
