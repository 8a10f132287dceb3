import { expect } from 'vitest'
import { recordAnswer } from '../../src/shared/batch/record-answer.ts'
import type { Outcome } from '../../src/shared/batch/outcome.ts'
import { itemId } from '../../src/shared/contract/ids.ts'
import type { ItemOutcome } from '../../src/shared/contract/result.ts'
import { readManifest, type Manifest } from '../../src/shared/ledger/manifest.ts'
import type { Parts } from '../../src/shared/parts/open.ts'
import { closeItems } from '../../src/shared/batch/close-range.ts'
import { markFed } from '../../src/shared/batch/feed-turn.ts'
import { finishBatch } from '../../src/worker/finish.ts'
import { sealChunk } from '../../src/worker/seal.ts'
import type { ErrorCode } from '../../src/shared/failures/failure.ts'
import { claimAndGrant, newHold, priceNano, runId, settle, type Engine } from './engine.ts'

/** A batch that an API accepted, and what a worker would do with it, by hand: for tests that need no worker. */
export interface WorkedBatch {
  readonly id: string
  readonly manifest: Manifest
  /** Pays for items and settles them so. */
  settle(indexes: readonly number[], status: ItemOutcome, code?: ErrorCode): Promise<void>
  /** So many of its first items are on the queue. */
  fed(count: number): Promise<void>
  /** Closes what waits of it, after it was cancelled. */
  close(): Promise<void>
  /** Writes its files and ends it; everything has to have its outcome. */
  finish(): Promise<void>
}

export async function openWorkedBatch(parts: Parts, id: string, round = 1): Promise<WorkedBatch> {
  const engine: Engine = { redis: parts.redis, keys: parts.keys }
  await parts.redis.hset(parts.keys.epoch, 'run_id', runId, 'quiet_until_ms', 0)
  const manifest = await readManifest(parts.store, id)
  if (manifest === undefined) throw new Error(`there is no batch ${id}`)
  return {
    id,
    manifest,
    async settle(indexes, status, code = 'provider_error') {
      for (const index of indexes) {
        const hold = newHold(manifest, index, { round })
        await claimAndGrant(engine, hold)
        if (status === 'succeeded') await recordAnswer(parts.redis, parts.keys, hold, undefined)
        const settled = await settle(engine, manifest, hold, status, {
          outcome: outcomeOf(id, index, status, code),
          entry: { at: 1_795_575_050, class: status === 'failed' ? 'permanent' : 'ok', status: 200, duration_ms: 7 },
          ownObjectCostNano: status === 'succeeded' ? priceNano : undefined,
        })
        expect(settled.kind).toBe('settled')
      }
    },
    async fed(count) {
      const indexes = Array.from({ length: count }, (_, index) => index)
      await markFed(parts.redis, parts.keys, id, indexes)
    },
    async close() {
      expect(await closeItems(parts.redis, parts.keys, runId, id, Date.now())).toEqual({
        kind: 'closed',
        finalizing: true,
      })
    },
    async finish() {
      for (let chunk = 0; chunk < manifest.chunks; chunk += 1) await sealChunk(parts, id, chunk)
      expect(await finishBatch(parts, id)).toEqual({ kind: 'done' })
    },
  }
}

function outcomeOf(batch: string, index: number, status: ItemOutcome, code: ErrorCode): Outcome {
  const id = itemId(batch, index)
  const error = { code, message: 'It did not work.', retryable: true, provider_code: null, provider_status: 500 }
  return {
    id,
    custom_id: `sku-${String(index)}`,
    status,
    response: status === 'failed' ? null : { status_code: 200, request_id: id, body: { created: 1, data: [] } },
    error: status === 'failed' ? error : null,
  }
}
