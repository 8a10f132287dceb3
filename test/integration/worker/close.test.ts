import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { readLive } from '../../../src/shared/batch/live.ts'
import { reviveBatch } from '../../../src/shared/batch/revive.ts'
import { itemId } from '../../../src/shared/contract/ids.ts'
import { closeBatch } from '../../../src/worker/close.ts'
import { newFeedCache, type FeedParts } from '../../../src/worker/feed.ts'
import { newFeedTrigger } from '../../../src/worker/feed-trigger.ts'
import { startTestApi, type TestApi } from '../../support/api.ts'
import { items, small } from '../../support/catalog.ts'
import { runId } from '../../support/engine.ts'
import { openWorkedBatch, type WorkedBatch } from '../../support/worked-batch.ts'

let test: TestApi
let parts: FeedParts
beforeAll(async () => {
  test = await startTestApi(import.meta.filename)
  const { redis, queues, store } = test.parts
  const throwIt = (error: Error): void => {
    throw error
  }
  parts = {
    ...test.parts,
    epoch: {
      guarded: (call) => call(redis, runId),
      known: Promise.resolve(),
      check: () => Promise.resolve(),
      stop: () => undefined,
    },
    feedTrigger: newFeedTrigger(queues, throwIt),
    relayTrigger: () => undefined,
    cache: newFeedCache(store),
  }
})
afterAll(async () => {
  await test[Symbol.asyncDispose]()
})

async function submit(body: object): Promise<WorkedBatch> {
  const response = await test.submit({ defaults: small, ...body })
  if (response.status !== 202) throw new Error(await response.text())
  return await openWorkedBatch(test.parts, ((await response.json()) as { id: string }).id)
}

async function cancel({ id }: WorkedBatch): Promise<void> {
  expect((await test.send('POST', `/v1/batches/${id}/cancel`)).status).toBe(200)
}

async function outcomes({ id }: WorkedBatch): Promise<[string, string | undefined][]> {
  const page = (await (await test.send('GET', `/v1/batches/${id}/items`)).json()) as {
    data: { status: string; error: { code: string } | null }[]
  }
  return page.data.map(({ status, error }) => [status, error?.code])
}

describe('closeBatch', () => {
  it('keeps what was stored of a batch that Redis lost and that was cancelled, with what it cost', async () => {
    const batch = await submit({ items: items(4) })
    const { redis, keys, store } = test.parts
    const stored = { fingerprint: 'f', sha256: 'aa', width: '256', height: '256', 'cost-usd': '0.003' }
    for (const [index, item] of [
      [1, itemId(batch.id, 1)],
      [2, 'item_of_somebody_else'],
    ] as const) {
      await store.put(`images/default/${batch.id}/sku-${String(index)}.png`, 'pixels', {
        condition: 'absent',
        contentType: 'image/png',
        metadata: { ...stored, item },
      })
    }
    const { live, states } = keys.batch(batch.id)
    await redis.del(live, states)
    await cancel(batch)
    expect(await reviveBatch(test.parts, { batch: batch.id, round: 1 })).toBe('created')
    expect(await closeBatch(parts, batch.id)).toEqual({ kind: 'done' })
    const cancelled = ['cancelled', 'batch_cancelled']
    expect(await outcomes(batch)).toEqual([cancelled, ['succeeded', undefined], cancelled, cancelled])
    expect(await readLive(redis, keys, batch.id)).toMatchObject({
      status: 'finalizing',
      calls: 1,
      images: 1,
      cost_nano: 3_000_000,
    })
  })

  it('leaves a line that was wrong at intake as what it is, fed or not', async () => {
    const batch = await submit({ on_invalid: 'skip', items: [...items(2), { custom_id: 'bad', prompt: 7 }] })
    await cancel(batch)
    expect(await closeBatch(parts, batch.id)).toEqual({ kind: 'done' })
    expect(await outcomes(batch)).toEqual([
      ['cancelled', 'batch_cancelled'],
      ['cancelled', 'batch_cancelled'],
      ['failed', 'invalid_request'],
    ])
  })

  it('waits while those that were calling before a loss of Redis say so', async () => {
    const batch = await submit({ items: items(1) })
    const { redis, keys } = test.parts
    await cancel(batch)
    await redis.hset(keys.epoch, 'quiet_until_ms', Date.now() + 60_000)
    const verdict = await closeBatch(parts, batch.id)
    expect(verdict).toMatchObject({ kind: 'again' })
    expect(await outcomes(batch)).toEqual([['queued', undefined]])
    await redis.hset(keys.epoch, 'quiet_until_ms', 0)
    expect(await closeBatch(parts, batch.id)).toEqual({ kind: 'done' })
    expect(await outcomes(batch)).toEqual([['cancelled', 'batch_cancelled']])
  })

  it('closes nothing of a batch that was not cancelled, and nothing twice', async () => {
    const batch = await submit({ items: items(1) })
    await closeBatch(parts, batch.id)
    expect(await outcomes(batch)).toEqual([['queued', undefined]])
    await cancel(batch)
    await closeBatch(parts, batch.id)
    const { redis, keys } = test.parts
    const closed = await readLive(redis, keys, batch.id)
    expect(await closeBatch(parts, batch.id)).toEqual({ kind: 'done' })
    expect(await readLive(redis, keys, batch.id)).toEqual(closed)
  })
})
