import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { describe, expect, inject, it } from 'vitest'
import { bodyLimits } from '../../../src/api/body.ts'
import { readInputChunk } from '../../../src/shared/ledger/chunks.ts'
import { readManifest } from '../../../src/shared/ledger/manifest.ts'
import { startTestApi, type TestApi } from '../../support/api.ts'
import { small } from '../../support/catalog.ts'
import { eventually } from '../../support/eventually.ts'
import { startS3InBetween, type S3InBetween } from '../../support/s3-in-between.ts'
import { upload } from '../../support/upload.ts'

const options = { defaults: small }
const linesEach = 1_000

/** So many lines, a thousand at a time, telling how many were taken from it. */
function lines(count: number, padding = ''): { source: AsyncGenerator<Uint8Array>; sent(): number } {
  let sent = 0
  async function* source(): AsyncGenerator<Uint8Array> {
    while (sent < count) {
      const some = Array.from(
        { length: Math.min(linesEach, count - sent) },
        (_, at) => `{"custom_id":"sku-${String(sent + at)}","prompt":"A shoe on white${padding}"}\n`,
      )
      sent += some.length
      yield await Promise.resolve(Buffer.from(some.join('')))
    }
  }
  return { source: source(), sent: () => sent }
}

/** Nothing here is silent for so long but where it is made to wait. */
const limits = { ...bodyLimits, idleMs: 2_000 }

async function withS3(run: (test: TestApi, s3: S3InBetween) => Promise<void>): Promise<void> {
  await using s3 = await startS3InBetween(inject('s3').endpoint)
  const env = { S3_ENDPOINT: s3.endpoint }
  await using test = await startTestApi(import.meta.filename, { env, options: { limits } })
  await run(test, s3)
}

describe('an upload', () => {
  it('is read no faster than S3 takes it, and may wait for that as long as it takes', async () => {
    await withS3(async (test, s3) => {
      s3.fate = (method, path) => (method === 'PUT' && path.includes('/input/') ? 'hang' : 'pass')
      // 20 MB: more than the connection itself can hold.
      const { source, sent } = lines(40_000, 'x'.repeat(450))
      const answer = upload(test, 'application/x-ndjson', source, { options })
      await eventually(() => s3.calls.some((call) => call.endsWith('000003.jsonl')), {
        what: 'four chunks on their way',
      })
      await eventually(
        async () => {
          const before = sent()
          await test.parts.clock.sleep(300)
          return sent() === before
        },
        { what: 'the sender to be held up' },
      )
      expect(sent()).toBeLessThan(32_000)
      expect(s3.calls.some((call) => call.endsWith('000004.jsonl'))).toBe(false)
      s3.fate = () => 'pass'
      const batch = (await (await answer).json()) as { id: string; request_counts: { total: number } }
      expect(batch.request_counts.total).toBe(40_000)
      const manifest = await readManifest(test.parts.store, batch.id)
      expect(manifest?.chunks).toBe(80)
      const place = { batch: batch.id, attempt: manifest?.attempt ?? '', chunk: 79 }
      expect((await readInputChunk(test.parts.store, place)).at(-1)?.custom_id).toBe('sku-39999')
    })
  }, 60_000)

  it('that S3 takes no more is 503 within 15 s, and nothing remains', async () => {
    await withS3(async (test, s3) => {
      s3.fate = (method, path) => (method === 'PUT' && path.endsWith('000007.jsonl') ? 'refuse' : 'pass')
      const startedMs = performance.now()
      const answer = await upload(test, 'application/x-ndjson', lines(20_000).source, { options })
      expect(answer.status).toBe(503)
      expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0)
      expect(performance.now() - startedMs).toBeLessThan(15_000)
      await eventually(async () => (await test.parts.store.list('')).keys.length === 0, { what: 'an empty bucket' })
    })
  })

  it('of 200,000 lines takes no more memory than one of 50,000, but for what tells them apart', async () => {
    await using test = await startTestApi(import.meta.filename)
    setFlagsFromString('--expose-gc')
    const collect = runInNewContext('gc') as () => void
    const { source } = lines(200_000)
    const held: number[] = []
    async function* measured(): AsyncGenerator<Uint8Array> {
      let at = 0
      for await (const piece of source) {
        yield piece
        at += 1
        if (at % 20 !== 0) continue
        collect()
        const { heapUsed, external } = process.memoryUsage()
        held.push((heapUsed + external) / 1_000_000)
      }
    }
    const answer = await upload(test, 'application/x-ndjson', measured(), { options })
    expect(answer.status).toBe(202)
    // What lies in the connection comes and goes: the least of several looks is what is held for good.
    const [early, late] = [Math.min(...held.slice(1, 4)), Math.min(...held.slice(-3))]
    // Ids and keys take 24 bytes an item, or twice as much where a table has just grown; items themselves ten times that.
    expect(late - early).toBeLessThan(25)
  }, 60_000)
})
