import type { InputItem } from '../contract/accepted.ts'
import { chunkSize, writeInputChunk } from '../ledger/chunks.ts'
import { writeMarker } from '../ledger/markers.ts'
import type { Store } from '../ledger/store.ts'

/** Where one attempt at a batch writes its input. */
export interface Place {
  readonly batch: string
  readonly attempt: string
}

export interface InputWriter {
  /** Adds an item. Where that fills a chunk and enough are on their way, whoever adds must wait for what this gives. */
  add(item: InputItem): Promise<void> | undefined
  /** Writes the last chunk; resolves when all are in the ledger. Gives how many there are. */
  end(): Promise<number>
  /** Resolves when nothing is on its way any more, whatever became of it. */
  settled(): Promise<void>
  /** Something was written, or may have been. */
  readonly begun: boolean
}

/** Chunks on their way at once: more would only hold more of an upload in memory. */
const chunksAtOnce = 4
/** Nobody waits for a chunk longer than this: an upload that S3 does not take is refused within 15 s. */
const chunkDeadlineMs = 10_000

/** Writes items as chunks, in order, as they fill; the marker first. Throws what the store throws, at the next call. */
export function newInputWriter(store: Store, place: Place): InputWriter {
  const onTheirWay = new Set<Promise<void>>()
  let items: InputItem[] = []
  let chunks = 0
  let marker: Promise<void> | undefined
  let fault: Error | undefined

  async function write(chunk: number, full: readonly InputItem[]): Promise<void> {
    try {
      marker ??= writeMarker(store, place.batch, 1)
      await marker
      await writeInputChunk(store, { ...place, chunk }, full, chunkDeadlineMs)
    } catch (error) {
      fault ??= error instanceof Error ? error : new Error(String(error))
    }
  }

  function start(): void {
    const writing = write(chunks, items).finally(() => onTheirWay.delete(writing))
    onTheirWay.add(writing)
    chunks += 1
    items = []
  }

  async function room(): Promise<void> {
    while (onTheirWay.size >= chunksAtOnce) await Promise.race(onTheirWay)
    if (fault !== undefined) throw fault
  }

  async function settled(): Promise<void> {
    await Promise.all(onTheirWay)
  }

  return {
    add(item) {
      items.push(item)
      if (items.length < chunkSize) return undefined
      start()
      return onTheirWay.size >= chunksAtOnce || fault !== undefined ? room() : undefined
    },
    async end() {
      if (items.length > 0) start()
      await settled()
      if (fault !== undefined) throw fault
      return chunks
    },
    settled,
    get begun() {
      return marker !== undefined
    },
  }
}
