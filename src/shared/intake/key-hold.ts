import { ApiProblem } from '../contract/problem.ts'
import { freeKey, refreshKey, takeKey, type HeldKey, type IdempotencyKey } from '../ledger/idempotency.ts'
import type { Manifest } from '../ledger/manifest.ts'
import type { Store } from '../ledger/store.ts'
import type { Clock } from '../process/clock.ts'

/** How often an attempt shows that it lives. */
const refreshMs = 1_500
/** An attempt that did not show itself for so long is dead. Nobody compares clocks: whoever asks waits and looks. */
const deadMs = 6_000
const lookMs = 250

/** A key in this process' hands, as long as the attempt lasts. */
export interface KeyHold {
  readonly batch: string
  readonly attempt: string
  /** No other attempt has ever had this batch id. */
  readonly first: boolean
  /** Aborted when another attempt has taken the key over. */
  readonly lost: AbortSignal
  /** Stops showing that the attempt lives: it is accepted, and whoever comes finds that out. */
  stop(): Promise<void>
  /** Stops, and frees the key; gives true where no other attempt has this batch id or ever will. */
  free(options: { keepBatch: boolean }): Promise<boolean>
}

export interface KeyParts {
  readonly clock: Clock
  readonly store: Store
}

/**
 * Takes a key, or finds the batch that it stands for. Where another attempt is under way it waits until it sees that one
 * live, and throws `ApiProblem` 409 then; or until it may take over, 6 s after the other was last heard of.
 */
export async function holdKey(
  { clock, store }: KeyParts,
  key: IdempotencyKey,
  fresh: { attempt: string; newBatch: () => string },
): Promise<KeyHold | Manifest> {
  let seen: { etag: string; atMs: number } | undefined
  for (;;) {
    const deadEtag = seen !== undefined && clock.monotonic() - seen.atMs >= deadMs ? seen.etag : undefined
    const taken = await takeKey(store, key, { ...fresh, nowMs: clock.now(), deadEtag })
    if (taken.kind === 'accepted') return taken.manifest
    if (taken.kind === 'held') return keep({ clock, store }, key, taken.held)
    if (seen !== undefined && seen.etag !== taken.etag) throw underWay()
    seen ??= { etag: taken.etag, atMs: clock.monotonic() }
    await clock.sleep(lookMs)
  }
}

function underWay(): ApiProblem {
  return new ApiProblem({
    problem: 'conflict',
    param: 'Idempotency-Key',
    detail: 'A request with this Idempotency-Key is still under way.',
    retryAfterS: 1,
  })
}

function keep({ clock, store }: KeyParts, key: IdempotencyKey, taken: HeldKey): KeyHold {
  const lost = new AbortController()
  let held = taken
  let refreshing: Promise<void> | undefined

  async function refresh(): Promise<void> {
    try {
      const refreshed = await refreshKey(store, key, held)
      if (refreshed === undefined) lost.abort(underWay())
      else held = refreshed
    } catch {
      // S3 is away for a moment: the next one may come through, and if none does, another attempt takes over.
    }
  }
  const cancel = clock.every(refreshMs, () => {
    refreshing ??= refresh().finally(() => {
      refreshing = undefined
    })
  })
  async function stop(): Promise<void> {
    cancel()
    await refreshing
  }
  return {
    batch: taken.batch,
    attempt: taken.attempt,
    first: taken.first,
    lost: lost.signal,
    stop,
    async free({ keepBatch }) {
      await stop()
      if (lost.signal.aborted) return false
      const freed = await freeKey(store, key, held, keepBatch || !taken.first)
      return freed && taken.first && !keepBatch
    },
  }
}
