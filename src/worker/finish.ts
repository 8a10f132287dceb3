import type { BatchObject } from '../shared/contract/batch-object.ts'
import type { StoredResultLine } from '../shared/contract/result.ts'
import { endBatch } from '../shared/batch/end.ts'
import { fixEnd } from '../shared/batch/ends-as.ts'
import { readLive } from '../shared/batch/live.ts'
import { reopenItems } from '../shared/batch/reopen.ts'
import { isOpenAgain } from '../shared/batch/rounds.ts'
import { liveBatchObject } from '../shared/batch/view.ts'
import { chunkSize, readResultChunk } from '../shared/ledger/chunks.ts'
import { readControl, type Control } from '../shared/ledger/control.ts'
import { rewriteListing } from '../shared/ledger/listing.ts'
import { readManifest, type Manifest } from '../shared/ledger/manifest.ts'
import { batchPath } from '../shared/ledger/paths.ts'
import { StoreConflict } from '../shared/ledger/store.ts'
import { writeSummary } from '../shared/ledger/summary.ts'
import type { Random } from '../shared/process/random.ts'
import type { Log } from '../shared/process/log.ts'
import { trigger, triggerFeed } from '../shared/queues/enqueue.ts'
import type { Queues } from '../shared/queues/open.ts'
import { again, done, type Verdict } from '../shared/queues/verdict.ts'
import { sealChunk, writeClosedItems, type SealParts } from './seal.ts'

export interface FinishParts extends SealParts {
  readonly random: Random
  readonly queues: Queues
  readonly log: Log
}

const againMs = 500

/** Lines of items are missing in the written results. */
class MissingLines extends Error {
  readonly indexes: readonly number[]

  constructor(indexes: readonly number[]) {
    super(`${String(indexes.length)} lines are missing in the results`)
    this.indexes = indexes
  }
}

/**
 * Ends a batch in which nothing is open: seals what is left, writes its files, checks on the written results that every
 * item has exactly one line, and only then tells of it. Bears being run again at any point.
 */
export async function finishBatch(parts: FinishParts, batch: string): Promise<Verdict> {
  const { redis, keys, store, queues, clock } = parts
  const live = await readLive(redis, keys, batch)
  if (live?.status !== 'finalizing') return done
  const manifest = await readManifest(store, batch)
  if (manifest === undefined) throw new Error(`the manifest of ${batch} is missing in the ledger`)
  for (const chunk of await redis.zrange(keys.batch(batch).unsealed, '0', '-1'))
    await sealChunk(parts, batch, Number(chunk))
  const control = await readControl(store, batch)
  // Redis is older than the ledger: the rebuild brings it forward.
  if (control.round > live.round) return again(againMs)
  if (live.closing !== undefined) await writeClosedItems(parts, manifest, live.round, live.closing)
  try {
    await writeReport(parts, manifest, control, 'output.jsonl', ({ response }) => response !== null)
    await writeReport(parts, manifest, control, 'errors.jsonl', ({ error }) => error !== null)
  } catch (error) {
    if (error instanceof StoreConflict) return again(500 * (1 + parts.random.number()))
    if (!(error instanceof MissingLines)) throw error
    parts.log.error({ batch, indexes: error.indexes }, 'results are not complete: these items are made again')
    await reopenItems(redis, keys, manifest, live.round, error.indexes)
    await triggerFeed(queues, live.priority)
    return done
  }
  const status = await fixEnd(redis, keys, batch, live.round)
  // As it stands now: it may have been cancelled, paused or renamed while its files were written.
  const last = await readLive(redis, keys, batch)
  if (status === 'refused' || last === undefined) return again(againMs)
  const ended = endedObject(liveBatchObject(manifest, last, clock.now(), null), status, clock.now())
  const sequence = last.sequence + 1
  const summary = await writeSummary(store, { v: 1, round: live.round, sequence, batch: ended })
  await rewriteListing(store, manifest.tenant, summary.batch)
  const end = await endBatch(redis, keys, {
    batch,
    round: live.round,
    attempt: manifest.attempt,
    eventType: `batch.${summary.batch.status}`,
    nowMs: clock.now(),
  })
  if (end === 'refused') return again(againMs)
  await trigger(queues, { v: 1, kind: 'relay' })
  return done
}

function endedObject(batch: BatchObject, status: 'completed' | 'cancelled' | 'expired', nowMs: number): BatchObject {
  return {
    ...batch,
    status,
    paused_at: null,
    [`${status}_at`]: Math.floor(nowMs / 1000),
    progress: { ...batch.progress, percent: 100, eta_at: null },
  }
}

/** Writes the lines that match, in input order, while it counts that no item is missing. */
async function writeReport(
  { store }: FinishParts,
  manifest: Manifest,
  control: Control,
  file: 'output.jsonl' | 'errors.jsonl',
  matches: (line: StoredResultLine) => boolean,
): Promise<void> {
  const path = batchPath(manifest.batch, file)
  const found = await store.head(path)
  async function* lines(): AsyncIterable<string> {
    const missing: number[] = []
    for (let chunk = 0; chunk < manifest.chunks; chunk += 1) {
      const outcomes = await readResultChunk(store, manifest.batch, chunk)
      const end = Math.min(manifest.total, (chunk + 1) * chunkSize)
      let text = ''
      for (let index = chunk * chunkSize; index < end; index += 1) {
        const line = outcomes.get(index)
        if (line === undefined || isOpenAgain(line, control)) missing.push(index)
        else if (matches(line)) text += `${JSON.stringify(reportLine(line))}\n`
      }
      if (text !== '') yield text
    }
    if (missing.length > 0) throw new MissingLines(missing)
  }
  await store.putStream(path, lines(), {
    condition: found === undefined ? 'absent' : { etag: found.etag },
    contentType: 'application/x-ndjson',
  })
}

function reportLine({ round: _, attempt_log: __, ...line }: StoredResultLine): object {
  return line
}
