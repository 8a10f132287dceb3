import { markerPath, markersPrefix } from './paths.ts'
import { StoreConflict, type Store } from './store.ts'

/** Written before anything else of a round: who looks for live batches lists only these. */
export async function writeMarker(store: Store, batch: string, round: number): Promise<void> {
  try {
    await store.put(markerPath(batch, round), '', { condition: 'absent', contentType: 'text/plain' })
  } catch (error) {
    if (!(error instanceof StoreConflict)) throw error
  }
}

/** Whether a round's end is not delivered yet, or the round has not ended. */
export async function hasMarker(store: Store, batch: string, round: number): Promise<boolean> {
  return (await store.head(markerPath(batch, round))) !== undefined
}

/** Taken away when the round has ended and its event is delivered or given up. */
export async function removeMarker(store: Store, batch: string, round: number): Promise<void> {
  await store.remove(markerPath(batch, round))
}

export interface Marker {
  batch: string
  round: number
}

/** All markers, oldest batch first. */
export async function* listMarkers(store: Store): AsyncIterable<Marker> {
  let after: string | undefined
  for (;;) {
    const page = await store.list(markersPrefix, after === undefined ? {} : { after })
    for (const key of page.keys) {
      const match = /^(batch_[0-9A-Z]{26})\.([1-9][0-9]*)$/.exec(key.slice(markersPrefix.length))
      if (match !== null) yield { batch: match[1] as string, round: Number(match[2]) }
    }
    after = page.keys.at(-1)
    if (!page.more || after === undefined) return
  }
}
