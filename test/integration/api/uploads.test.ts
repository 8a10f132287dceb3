import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { InputItem } from '../../../src/shared/contract/accepted.ts'
import { readInputChunk } from '../../../src/shared/ledger/chunks.ts'
import { readManifest } from '../../../src/shared/ledger/manifest.ts'
import { startTestApi, testKey, type TestApi } from '../../support/api.ts'
import { items, small } from '../../support/catalog.ts'
import { eventually } from '../../support/eventually.ts'
import { rawHttp } from '../../support/raw-http.ts'
import { ndjson, upload } from '../../support/upload.ts'

const idleMs = 400
let test: TestApi
beforeAll(async () => {
  test = await startTestApi(import.meta.filename, { options: { limits: { bytesMax: 1_000_000, idleMs } } })
})
afterAll(async () => {
  await test[Symbol.asyncDispose]()
})

interface Seen {
  id: string
  request_counts: { total: number }
  errors: { data: object[]; total: number } | null
  budget: { limit_usd: string | null }
  expires_at: number | null
  created_at: number
}

async function accepted(answer: Response): Promise<Seen & { input: InputItem[] }> {
  if (answer.status !== 202) throw new Error(await answer.text())
  const batch = (await answer.json()) as Seen
  const { store } = test.parts
  const manifest = await readManifest(store, batch.id)
  const chunks = Array.from({ length: manifest?.chunks ?? 0 }, (_, chunk) =>
    readInputChunk(store, { batch: batch.id, attempt: manifest?.attempt ?? '', chunk }),
  )
  return { ...batch, input: (await Promise.all(chunks)).flat() }
}

interface Refused {
  status: number
  code: string
  detail: string
  errors: { line: number; index: number; custom_id: string | null; param: string; code: string }[]
}

/** What was refused, after a look that nothing remains of it. */
async function refused(send: () => Promise<Response>): Promise<Refused> {
  const before = await keysInBucket()
  const answer = await send()
  const { detail, error, errors } = (await answer.json()) as Partial<Refused> & { error: { code: string } }
  expect(await keysInBucket()).toEqual(before)
  return { status: answer.status, code: error.code, detail: detail ?? '', errors: errors ?? [] }
}

async function keysInBucket(): Promise<string[]> {
  return (await test.parts.store.list('')).keys
}

const defaults = { defaults: small }

describe('NDJSON', () => {
  it('is accepted with its options in the query, in chunks of 500, in order', async () => {
    const batch = await accepted(
      await upload(test, 'application/x-ndjson', ndjson(items(1_234)), {
        options: { name: 'Autumn & more', ...defaults, priority: 'bulk', budget_usd: '5', completion_window: '2h' },
      }),
    )
    expect(batch).toMatchObject({
      name: 'Autumn & more',
      status: 'in_progress',
      request_counts: { total: 1_234 },
      budget: { limit_usd: '5.00' },
      errors: null,
    })
    expect(batch.expires_at).toBe(batch.created_at + 7_200)
    expect(batch.input.map(({ custom_id }) => custom_id)).toEqual(items(1_234).map(({ custom_id }) => custom_id))
    expect(batch.input[1_233]).toMatchObject({
      index: 1_233,
      prompt: 'A shoe on white, no. 1233',
      price_nano: 3_000_000,
    })
    const manifest = await readManifest(test.parts.store, batch.id)
    expect(manifest).toMatchObject({ chunks: 3, options: { priority: 'bulk', budget_nano: 5_000_000_000 } })
  })

  it('may come a byte at a time, gzipped, with blank lines and \\r\\n', async () => {
    const lines = Buffer.from(`\ufeff${ndjson(items(3)).replaceAll('\n', '\r\n\r\n')}`)
    async function* drip(bytes: Buffer): AsyncGenerator<Uint8Array> {
      for (const byte of bytes) {
        yield new Uint8Array([byte])
        await test.parts.clock.sleep(0)
      }
    }
    expect(
      (await accepted(await upload(test, 'application/x-ndjson', drip(lines), { options: defaults }))).input,
    ).toHaveLength(3)
    const zipped = await upload(test, 'application/x-ndjson', drip(gzipSync(lines)), {
      options: defaults,
      headers: { 'content-encoding': 'gzip' },
    })
    expect((await accepted(zipped)).input).toHaveLength(3)
  })

  it('is refused whole for one bad line, which is named by line, index and custom_id', async () => {
    const lines = [
      ...items(700).map((item) => JSON.stringify(item)),
      '',
      '{"custom_id":"a","prompt":""}',
      '{"prompt": hunter2}',
      '{"custom_id":"sku-3","prompt":"x"}',
      JSON.stringify({ custom_id: 'b', prompt: 'x', width: 1, colour: 'red' }),
    ]
    const { errors, detail, ...answer } = await refused(() =>
      upload(test, 'application/x-ndjson', lines.join('\n'), { options: defaults }),
    )
    expect(answer).toEqual({ status: 422, code: 'invalid_item' })
    expect(detail).not.toContain('hunter2')
    expect(errors.map(({ line, index, custom_id, param, code }) => [line, index, custom_id, param, code])).toEqual([
      [702, 700, 'a', 'prompt', 'too_short'],
      [703, 701, null, '', 'invalid_json'],
      [704, 702, 'sku-3', 'custom_id', 'duplicate_custom_id'],
      [704, 702, 'sku-3', 'output_key', 'duplicate_key'],
      [705, 703, 'b', 'width', 'out_of_range'],
      [705, 703, 'b', 'colour', 'unknown_field'],
    ])
  })

  it('finds ids and keys that are taken over all chunks', async () => {
    const many = items(2_000)
    const { errors } = await refused(() =>
      upload(test, 'application/x-ndjson', ndjson([...many, { custom_id: 'new', prompt: 'x' }, many[1_234]]), {
        options: { ...defaults, output: { key: '{{custom_id}}.{{ext}}' } },
      }),
    )
    expect(errors).toMatchObject([
      { line: 2_002, code: 'duplicate_custom_id', message: 'custom_id is that of items[1234] too' },
      { line: 2_002, code: 'duplicate_key' },
    ])
  })

  it('keeps bad lines as items that have failed, with on_invalid=skip', async () => {
    const lines = ['{"custom_id":"a","prompt":"x"}', '{', '{"custom_id":"a","prompt":"x"}', '', '{"custom_id":"b"}']
    const batch = await accepted(
      await upload(test, 'application/x-ndjson', lines.join('\n'), { options: { ...defaults, on_invalid: 'skip' } }),
    )
    expect(batch.request_counts.total).toBe(4)
    expect(batch.input.map(({ custom_id, invalid }) => [custom_id, invalid !== undefined])).toEqual([
      ['a', false],
      ['item-2', true],
      ['item-3', true],
      ['b', true],
    ])
    expect(batch.errors).toMatchObject({
      total: 3,
      data: [
        { line: 2, index: 1, custom_id: null, param: '', code: 'invalid_json' },
        { line: 3, index: 2, custom_id: 'a', param: 'custom_id', code: 'duplicate_custom_id' },
        {
          line: 5,
          index: 3,
          custom_id: 'b',
          param: 'prompt',
          code: 'missing',
          message: expect.stringMatching(/^prompt/),
        },
      ],
    })
    expect(await (await test.send('GET', `/v1/batches/${batch.id}`)).json()).toMatchObject({ errors: batch.errors })
  })

  it('refuses an item without a known price where there is a budget', async () => {
    const { errors } = await refused(() =>
      upload(test, 'application/x-ndjson', ndjson([{ prompt: 'x', model: 'some/model' }]), {
        options: { budget_usd: '5' },
      }),
    )
    expect(errors).toMatchObject([{ line: 1, param: 'model', code: 'unsupported' }])
  })
})

describe('CSV', () => {
  it('is accepted: fields of an item by their names, other columns for the template', async () => {
    const csv = '\ufeffcustom_id;width;height;Colour\r\nshoe;512;512;"red\r\nand blue"\r\n\r\nhat;;;green\r\n'
    const batch = await accepted(
      await upload(test, 'text/csv', csv, {
        options: { template: 'A {{Colour}} {{custom_id}}', ...defaults },
        headers: { 'content-type': 'text/csv; charset=utf-8' },
      }),
    )
    expect(batch.input).toMatchObject([
      { custom_id: 'shoe', prompt: 'A red\r\nand blue shoe', parameters: { width: 512, height: 512 } },
      { custom_id: 'hat', prompt: 'A green hat', parameters: { width: 256, height: 256 } },
    ])
  })

  it('is refused with the physical line of each bad row', async () => {
    const csv = 'custom_id,prompt,width\na,"over\ntwo lines",512\nb,x,wide\nc,x\na,x,512\n'
    const { errors } = await refused(() => upload(test, 'text/csv', csv, { options: { defaults: { model: 'a/b' } } }))
    expect(errors.map(({ line, index, custom_id, param, code }) => [line, index, custom_id, param, code])).toEqual([
      [4, 1, 'b', 'width', 'invalid_type'],
      [5, 2, 'c', '', 'invalid_format'],
      [6, 3, 'a', 'custom_id', 'duplicate_custom_id'],
      [6, 3, 'a', 'output_key', 'duplicate_key'],
    ])
  })

  it('is refused where its quotes are broken, also with on_invalid=skip', async () => {
    const csv = 'custom_id,prompt\na,x\nb,"never closed\nc,x\n'
    const answer = await refused(() => upload(test, 'text/csv', csv, { options: { ...defaults, on_invalid: 'skip' } }))
    expect(answer).toMatchObject({ status: 422, errors: [{ line: 3, index: 1, code: 'invalid_format' }] })
  })
})

describe('an upload', () => {
  it.each([
    ['application/x-ndjson', '\n \n'],
    ['text/csv', 'custom_id,prompt\n'],
  ] as const)('of %s without an item is 422', async (type, body) => {
    expect(await refused(() => upload(test, type, body, { options: defaults }))).toMatchObject({
      status: 422,
      code: 'too_short',
    })
  })

  it('without a byte is 400', async () => {
    expect(await refused(() => upload(test, 'application/x-ndjson', ''))).toMatchObject({ status: 400 })
    async function* nothing(): AsyncGenerator<Uint8Array> {
      await test.parts.clock.sleep(0)
      yield* []
    }
    expect(await refused(() => upload(test, 'application/x-ndjson', nothing()))).toMatchObject({ status: 400 })
  })

  it('of options that are wrong is refused before it is read', async () => {
    expect(await refused(() => upload(test, 'text/csv', 'x', { options: { priority: 'urgent' } }))).toMatchObject({
      status: 422,
      code: 'out_of_range',
    })
    expect(await refused(() => upload(test, 'text/csv', 'x', { options: { colour: 'red' } }))).toMatchObject({
      code: 'unknown_field',
    })
  })

  it('of lines at their longest is taken, and one byte more is a fault of that line', async () => {
    // `extra` is what has no limit of its own. The limits of a JSON body are not those of a stream.
    const line = (bytes: number): string => {
      const item = { prompt: 'x', ...small, extra: { note: '' } }
      return JSON.stringify({ ...item, extra: { note: 'x'.repeat(bytes - JSON.stringify(item).length) } })
    }
    const longest = await upload(test, 'application/x-ndjson', `${line(1_048_576)}\n${line(1_048_576)}`)
    expect((await accepted(longest)).input).toHaveLength(2)
    const { errors } = await refused(() => upload(test, 'application/x-ndjson', `${line(200)}\n${line(1_048_577)}\n`))
    expect(errors).toMatchObject([{ line: 2, code: 'too_long' }])
  })

  it('that is a gzip bomb is refused: of one endless line, of line ends, and of empty rows', async () => {
    const bombs = [
      ['application/x-ndjson', gzipSync(Buffer.alloc(64 * 1024 * 1024, ' '))],
      ['application/x-ndjson', gzipSync(Buffer.alloc(64 * 1024 * 1024, '\n'))],
      ['text/csv', gzipSync(Buffer.concat([Buffer.from('prompt\n'), Buffer.alloc(64 * 1024 * 1024, '\n')]))],
    ] as const
    for (const [type, body] of bombs) {
      const answer = await refused(() =>
        upload(test, type, body, { options: defaults, headers: { 'content-encoding': 'gzip' } }),
      )
      expect(answer).toMatchObject({ status: 413, code: 'too_large' })
    }
  })

  it('that is not whole gzip is 400, and nothing remains', async () => {
    const zipped = gzipSync(ndjson(items(3_000)))
    const send = (body: Buffer): Promise<Response> =>
      upload(test, 'application/x-ndjson', body, { options: defaults, headers: { 'content-encoding': 'gzip' } })
    expect(await refused(() => send(zipped.subarray(0, -20)))).toMatchObject({ status: 400, code: 'bad_request' })
    expect(await refused(() => send(Buffer.from(ndjson(items(1)))))).toMatchObject({ status: 400 })
  })

  const head = `POST /v1/batches?options=${encodeURIComponent(JSON.stringify(defaults))} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${testKey}\r\nContent-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n\r\n`
  const chunk = (text: string): string => `${Buffer.byteLength(text).toString(16)}\r\n${text}\r\n`

  it('may take as long as it wants; one that falls silent is 408, and nothing remains', async () => {
    const before = await keysInBucket()
    const slow = rawHttp(test.api.url, [head], (socket) => {
      void (async () => {
        for (const item of items(9)) {
          socket.write(chunk(ndjson([item])))
          await test.parts.clock.sleep(idleMs / 3)
        }
        socket.write('0\r\n\r\n')
      })()
    })
    expect((await slow).status).toBe(202)
    const silent = await rawHttp(test.api.url, [head, chunk(ndjson(items(1_700)))])
    expect(silent.status).toBe(408)
    expect((await keysInBucket()).filter((key) => key.startsWith('live/'))).toHaveLength(
      before.filter((key) => key.startsWith('live/')).length + 1,
    )
  })

  it('that its sender breaks off leaves nothing', async () => {
    const before = await keysInBucket()
    await rawHttp(test.api.url, [head, chunk(ndjson(items(1_700)))], (socket) => {
      void eventually(async () => (await keysInBucket()).length >= before.length + 2, { what: 'chunks' }).then(() =>
        socket.destroy(),
      )
    }).catch(() => undefined)
    await eventually(async () => (await keysInBucket()).length === before.length, { what: 'all to be gone' })
    expect(await keysInBucket()).toEqual(before)
  })
})
