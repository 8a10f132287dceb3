import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { AcceptedItem } from '../../../../src/shared/contract/accepted.ts'
import { itemId, newBatchId } from '../../../../src/shared/contract/ids.ts'
import type { StoredResultLine } from '../../../../src/shared/contract/result.ts'
import {
  chunkOf,
  indexOf,
  mergeResultChunk,
  readInputChunk,
  readResultChunk,
  writeInputChunk,
} from '../../../../src/shared/ledger/chunks.ts'
import { resultChunkPath } from '../../../../src/shared/ledger/paths.ts'
import type { Store } from '../../../../src/shared/ledger/store.ts'
import { freshNames } from '../../../support/fresh-names.ts'
import { openTestStore } from '../../../support/test-store.ts'

let store: Store
beforeAll(async () => {
  store = openTestStore((await freshNames(import.meta.filename)).bucket)
})
afterAll(() => {
  store.close()
})

const newBatch = (): string => newBatchId(1_700_000_000_000, Math.random)

function line(batch: string, index: number, more: Partial<StoredResultLine> = {}): StoredResultLine {
  return {
    id: itemId(batch, index),
    custom_id: `Schuh ${String(index)} 👟`,
    status: 'reused',
    response: null,
    error: null,
    attempts: 0,
    cost_usd: '0.00',
    round: 1,
    attempt_log: [],
    ...more,
  }
}

describe('input', () => {
  const item = (index: number): AcceptedItem => ({
    index,
    custom_id: `item ${String(index)}`,
    model: 'm',
    prompt: 'line\nbreak and \u2028 separator',
    parameters: { seed: 1 },
    fingerprint: 'f',
    key: 'k.png',
    price_nano: null,
  })

  it('is read as it was written, in order, and is the first that was written', async () => {
    const place = { batch: newBatch(), attempt: 'a', chunk: 2 }
    const items = [item(1000), item(1001), item(1002)]
    await writeInputChunk(store, place, items)
    await writeInputChunk(store, place, [item(7)])
    expect(await readInputChunk(store, place)).toEqual(items)
  })

  it('of one attempt is not that of another', async () => {
    const batch = newBatch()
    await writeInputChunk(store, { batch, attempt: 'a', chunk: 0 }, [item(0)])
    await writeInputChunk(store, { batch, attempt: 'b', chunk: 0 }, [item(1)])
    expect(await readInputChunk(store, { batch, attempt: 'b', chunk: 0 })).toEqual([item(1)])
  })

  it('that the manifest names and the ledger does not have is a fault, and no empty chunk', async () => {
    const place = { batch: newBatch(), attempt: 'a', chunk: 3 }
    await expect(readInputChunk(store, place)).rejects.toThrow('input chunk 3')
  })

  it('lies in chunks of 500', () => {
    expect([0, 499, 500, 999_999].map(chunkOf)).toEqual([0, 0, 1, 1999])
    expect(indexOf({ id: itemId(newBatch(), 42) })).toBe(42)
    expect(() => indexOf({ id: 'sku-42' })).toThrow('no item id')
  })
})

describe('mergeResultChunk', () => {
  it('adds lines in input order, one an item', async () => {
    const batch = newBatch()
    expect(await readResultChunk(store, batch, 0)).toEqual(new Map())
    await mergeResultChunk(store, batch, 0, [line(batch, 11), line(batch, 2)])
    await mergeResultChunk(store, batch, 0, [line(batch, 9)])
    const file = await store.get(resultChunkPath(batch, 0))
    const ids = (file?.body.toString() ?? '')
      .split('\n')
      .filter((text) => text !== '')
      .map((text) => JSON.parse(text) as StoredResultLine)
    expect(ids.map(indexOf)).toEqual([2, 9, 11])
    expect((await readResultChunk(store, batch, 0)).get(9)).toEqual(line(batch, 9))
  })

  it('writes nothing where nothing is new', async () => {
    const batch = newBatch()
    await mergeResultChunk(store, batch, 0, [line(batch, 1)])
    const before = await store.head(resultChunkPath(batch, 0))
    const readOnly: Store = { ...store, put: () => Promise.reject(new Error('written')) }
    await mergeResultChunk(readOnly, batch, 0, [line(batch, 1)])
    await mergeResultChunk(readOnly, batch, 0, [])
    expect(await store.head(resultChunkPath(batch, 0))).toEqual(before)
  })

  it('keeps the line of the higher round, whichever comes later, and of one round the first', async () => {
    const batch = newBatch()
    const read = async (): Promise<string | undefined> => (await readResultChunk(store, batch, 0)).get(1)?.custom_id
    await mergeResultChunk(store, batch, 0, [line(batch, 1, { round: 2, custom_id: 'second' })])
    await mergeResultChunk(store, batch, 0, [line(batch, 1, { round: 1, custom_id: 'first' })])
    expect(await read()).toBe('second')
    await mergeResultChunk(store, batch, 0, [line(batch, 1, { round: 2, custom_id: 'second again' })])
    expect(await read()).toBe('second')
    await mergeResultChunk(store, batch, 0, [line(batch, 1, { round: 3, custom_id: 'third' })])
    expect(await read()).toBe('third')
    await mergeResultChunk(store, batch, 0, [
      line(batch, 1, { round: 5, custom_id: 'fifth' }),
      line(batch, 1, { round: 4, custom_id: 'fourth' }),
    ])
    expect(await read()).toBe('fifth')
  })

  it('loses nothing where many merge at once: the store decides, and the loser merges again', async () => {
    const batch = newBatch()
    const writers = Array.from({ length: 8 }, (_, writer) =>
      mergeResultChunk(
        store,
        batch,
        0,
        Array.from({ length: 10 }, (__, at) => line(batch, at * 8 + writer)),
      ),
    )
    await Promise.all(writers)
    const lines = await readResultChunk(store, batch, 0)
    expect([...lines.keys()]).toEqual(Array.from({ length: 80 }, (_, index) => index))
  })
})
