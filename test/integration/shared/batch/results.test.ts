import { createHash } from 'node:crypto'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { letGo, unwrittenOutcomes } from '../../../../src/shared/batch/let-go.ts'
import { parseOutcome, type Outcome } from '../../../../src/shared/batch/outcome.ts'
import { readResults } from '../../../../src/shared/batch/results.ts'
import { itemId } from '../../../../src/shared/contract/ids.ts'
import type { ResultLine, StoredResultLine } from '../../../../src/shared/contract/result.ts'
import { mergeResultChunk } from '../../../../src/shared/ledger/chunks.ts'
import type { Manifest } from '../../../../src/shared/ledger/manifest.ts'
import { outputPath } from '../../../../src/shared/ledger/paths.ts'
import type { Store } from '../../../../src/shared/ledger/store.ts'
import type { Redis } from '../../../../src/shared/redis/connect.ts'
import { freshEngine, newBatch, newHold, newManifest, openRedis, settle, type Engine } from '../../../support/engine.ts'
import { freshNames } from '../../../support/fresh-names.ts'
import { openTestStore } from '../../../support/test-store.ts'

let redis: Redis
let store: Store
let engine: Engine

beforeAll(async () => {
  redis = openRedis()
  store = openTestStore((await freshNames(import.meta.filename)).bucket, { prefix: 'shop/' })
})
afterAll(() => {
  redis.disconnect()
  store.close()
})
beforeEach(async () => {
  engine = await freshEngine(redis)
})

function outcomeOf(manifest: Manifest, index: number, customId = `item-${String(index)}`): Outcome {
  const id = itemId(manifest.batch, index)
  const image = {
    s3_key: store.fullKey(outputPath('default', `${String(index)}.png`)),
    sha256: createHash('sha256').update(String(index)).digest('hex'),
    bytes: 1,
    width: 1,
    height: 1,
    content_type: 'image/png',
    variants: [],
  }
  const response = { status_code: 200 as const, request_id: id, body: { created: 1, data: [image] } }
  return { id, custom_id: customId, status: 'reused', response, error: null }
}

async function settleSome(manifest: Manifest, indexes: readonly number[]): Promise<void> {
  for (const index of indexes) {
    await settle(engine, manifest, newHold(manifest, index), 'reused', { outcome: outcomeOf(manifest, index) })
  }
}

function stored(manifest: Manifest, index: number, more: Partial<StoredResultLine> = {}): StoredResultLine {
  return { ...outcomeOf(manifest, index), attempts: 0, cost_usd: '0.00', round: 1, attempt_log: [], ...more }
}

async function seal(manifest: Manifest, chunk: number): Promise<void> {
  const { batch } = manifest
  const outcomes = await unwrittenOutcomes(redis, engine.keys, batch, chunk)
  await mergeResultChunk(store, batch, chunk, [...outcomes.values()].map(parseOutcome))
  await letGo(redis, engine.keys, { batch, chunk, nowMs: 1 }, outcomes)
}

async function read(manifest: Manifest, fromIndex = 0, live = true): Promise<ResultLine[]> {
  const lines: ResultLine[] = []
  for await (const line of readResults({ redis, keys: engine.keys, store }, manifest, { fromIndex, live }))
    lines.push(line)
  return lines
}

const idsOf = (lines: readonly ResultLine[]): string[] => lines.map(({ id }) => id)

describe('readResults', () => {
  it('gives what is settled so far in input order, from both stores, across chunks', async () => {
    const manifest = await newBatch(engine, 1002, { fed: 1002 })
    await settleSome(manifest, [11, 501, 9])
    await seal(manifest, 0)
    await settleSome(manifest, [1001, 10, 500, 2])
    const lines = await read(manifest)
    expect(idsOf(lines)).toEqual([2, 9, 10, 11, 500, 501, 1001].map((index) => itemId(manifest.batch, index)))
  })

  it('goes on from an item, in the middle of a chunk', async () => {
    const manifest = await newBatch(engine, 600, { fed: 600 })
    await settleSome(manifest, [0, 498, 499, 500, 599])
    await seal(manifest, 0)
    const ids = idsOf(await read(manifest, 499))
    expect(ids).toEqual([499, 500, 599].map((index) => itemId(manifest.batch, index)))
  })

  it('gives a line without its round and with a link that anybody can fetch the image by', async () => {
    const manifest = await newBatch(engine, 1, { fed: 1 })
    const path = outputPath('default', '0.png')
    await store.put(path, 'the bytes', { condition: 'absent', contentType: 'image/png' })
    await settleSome(manifest, [0])
    const [line] = await read(manifest)
    expect(line).toMatchObject({ custom_id: 'item-0', status: 'reused', error: null, attempts: 0, cost_usd: '0.00' })
    expect(line).not.toHaveProperty('round')
    const image = line?.response?.body.data[0]
    expect(image?.s3_key).toBe('shop/images/default/0.png')
    const answer = await fetch(image?.url ?? '')
    expect([answer.status, await answer.text()]).toEqual([200, 'the bytes'])
    expect(image?.url).toContain('X-Amz-Expires=3600')
  })

  it('gives a failed line with its error and no response', async () => {
    const manifest = newManifest(1)
    const error = {
      code: 'content_moderated' as const,
      message: 'No.',
      retryable: false,
      provider_code: null,
      provider_status: 400,
    }
    await mergeResultChunk(store, manifest.batch, 0, [stored(manifest, 0, { status: 'failed', response: null, error })])
    expect(await read(manifest, 0, false)).toMatchObject([{ status: 'failed', response: null, error }])
  })

  it('takes the line of the higher round, whichever store it is in', async () => {
    const manifest = await newBatch(engine, 2, { fed: 2 })
    const { batch } = manifest
    await mergeResultChunk(store, batch, 0, [
      stored(manifest, 0, { custom_id: 'file, round 1' }),
      stored(manifest, 1, { custom_id: 'file, round 3', round: 3 }),
    ])
    const text = (round: number): string =>
      `${String(round)} 0 0 [] ${JSON.stringify(outcomeOf(manifest, 0, `redis, round ${String(round)}`))}`
    await redis.hset(engine.keys.batch(batch).outcomes(0), '0', text(2))
    const second = `2 0 0 [] ${JSON.stringify(outcomeOf(manifest, 1, 'redis, round 2'))}`
    await redis.hset(engine.keys.batch(batch).outcomes(0), '1', second)
    const lines = await read(manifest)
    expect(lines.map((line) => line.custom_id)).toEqual(['redis, round 2', 'file, round 3'])
  })

  it('loses no line that moves from Redis to the ledger while it reads', async () => {
    const manifest = await newBatch(engine, 50, { fed: 50 })
    await settleSome(
      manifest,
      Array.from({ length: 50 }, (_, index) => index),
    )
    // Sealed between the two reads of a chunk: read the other way round, every line would be missed.
    const slow: Store = {
      ...store,
      async get(key, deadlineMs) {
        await seal(manifest, 0)
        return await store.get(key, deadlineMs)
      },
    }
    const ids: string[] = []
    for await (const line of readResults({ redis, keys: engine.keys, store: slow }, manifest, {
      fromIndex: 0,
      live: true,
    })) {
      ids.push(line.id)
    }
    expect(ids).toHaveLength(50)
    expect(new Set(ids).size).toBe(50)
  })

  it('asks Redis for nothing when the batch has ended', async () => {
    const manifest = newManifest(2)
    await mergeResultChunk(store, manifest.batch, 0, [stored(manifest, 1)])
    redis.disconnect()
    expect(idsOf(await read(manifest, 0, false))).toEqual([itemId(manifest.batch, 1)])
    redis = openRedis()
  })
})
