import { controlPath } from './paths.ts'
import { StoreConflict, type Store } from './store.ts'

/** What a person said of a batch after it was accepted. S3 has it first; Redis applies only ever a higher version. */
export interface Control {
  v: 1
  version: number
  /** When it was paused; null: it runs. */
  paused_at_ms: number | null
  cancelled_at_ms: number | null
  /** When its completion window had run out. */
  expired_at_ms: number | null
  /** Absent: as the manifest has it. */
  name?: string | null
  metadata?: Record<string, string>
  budget_nano?: number | null
  /** 1 at first; each retry of failed items starts the next. */
  round: number
  /** Which failed items the present round makes again; null: all of them. */
  retry_codes: string[] | null
}

export const firstControl: Control = {
  v: 1,
  version: 0,
  paused_at_ms: null,
  cancelled_at_ms: null,
  expired_at_ms: null,
  round: 1,
  retry_codes: null,
}

/** What was said of a batch so far; version 0 where nothing was. */
export async function readControl(store: Store, batch: string): Promise<Control> {
  return (await load(store, batch)).control
}

/**
 * Changes what is said of a batch. `change` gets what stands and gives what shall, or undefined to leave it; it is asked
 * again where somebody else was quicker.
 */
export async function changeControl(
  store: Store,
  batch: string,
  change: (control: Control) => Control | undefined,
): Promise<Control> {
  for (;;) {
    const { control, etag } = await load(store, batch)
    const changed = change(control)
    if (changed === undefined) return control
    const next = { ...changed, version: control.version + 1 }
    try {
      await store.put(controlPath(batch), JSON.stringify(next), {
        condition: etag === undefined ? 'absent' : { etag },
        contentType: 'application/json',
      })
      return next
    } catch (error) {
      if (!(error instanceof StoreConflict)) throw error
    }
  }
}

async function load(store: Store, batch: string): Promise<{ control: Control; etag: string | undefined }> {
  const found = await store.get(controlPath(batch))
  if (found === undefined) return { control: firstControl, etag: undefined }
  return { control: JSON.parse(found.body.toString()) as Control, etag: found.etag }
}
