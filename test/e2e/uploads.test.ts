import { createHash } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { describe, expect, inject, it } from 'vitest'
import type { Child } from '../../src/dev/children.ts'
import { items, small } from '../support/catalog.ts'
import { startDeployment, type Deployment, type SeenBatch } from '../support/deployment.ts'
import { eventually } from '../support/eventually.ts'
import { freshNames } from '../support/fresh-names.ts'
import { openTestStore } from '../support/test-store.ts'
import { ndjson, upload } from '../support/upload.ts'

/** CRATEWORK_TEST_SEEDS asks for more kills. */
const seeds = Number(process.env['CRATEWORK_TEST_SEEDS'] ?? 5)
/** Uploads that one kill cuts. */
const seedsAtOnce = 5

async function start(workers: number): Promise<Deployment> {
  const { bucket, redisPrefix } = await freshNames(import.meta.filename)
  return await startDeployment({ redisUrl: inject('redisUrl'), redisPrefix, s3: inject('s3'), bucket, workers })
}

const lines = Buffer.from(ndjson(items(2_400)))

/** Sends the first part of the lines, waits, then the rest. */
async function* inParts(bytes: number, wait: Promise<void>): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes; at += 16_384) yield lines.subarray(at, Math.min(at + 16_384, bytes))
  await wait
  if (bytes < lines.length) yield lines.subarray(bytes)
}

function send(
  deployment: Deployment,
  url: string,
  seed: number,
  body: Buffer | AsyncGenerator<Uint8Array> = lines,
): Promise<Response> {
  const options = { defaults: small, metadata: { seed: String(seed) } }
  const headers = { 'idempotency-key': `upload ${String(seed)}` }
  return upload({ api: { url }, key: deployment.key }, 'application/x-ndjson', body, { options, headers })
}

/** As a client does: on a busy machine S3 may take longer than a request waits, and 503 says to try again. */
function repeat(deployment: Deployment, seed: number): Promise<Response> {
  const answered = async (): Promise<Response | false> => {
    const answer = await send(deployment, deployment.apiUrl, seed)
    return answer.status !== 503 && answer
  }
  return eventually(answered, { withinMs: 60_000, what: 'an answer' })
}

async function batchesOf(deployment: Deployment, seed: number): Promise<SeenBatch[]> {
  const answer = await deployment.request('GET', `/v1/batches?metadata[seed]=${String(seed)}`)
  return ((await answer.json()) as { data: SeenBatch[] }).data
}

/** A number from 0 to 1 that a seed stands for. */
function chance(seed: number): number {
  return createHash('sha256').update(String(seed)).digest().readUInt32BE(0) / 2 ** 32
}

describe('an API process that is killed in the middle of uploads', () => {
  it(`leaves no batch, and on repeat with the same key there is exactly one (${String(seeds)} seeds)`, async () => {
    await using deployment = await start(0)
    const store = openTestStore(deployment.bucket)
    for (let first = 0; first < seeds; first += seedsAtOnce) {
      const doomed = await deployment.startApi()
      const never = new Promise<void>(() => undefined)
      const round = Array.from({ length: Math.min(seedsAtOnce, seeds - first) }, (_, at) => first + at)
      // Some stand still on their way; the others go on to their last byte, and are killed wherever they are by then.
      const standsStill = (seed: number): boolean => seed % seedsAtOnce < 2
      const cut = round.map((seed) => {
        const bytes = standsStill(seed) ? Math.ceil(chance(seed) * (lines.length - 1)) : lines.length
        return send(deployment, doomed.ready, seed, inParts(bytes, standsStill(seed) ? never : Promise.resolve())).then(
          ({ status }) => status,
          () => 'cut' as const,
        )
      })
      await delay(100 + 900 * chance(-1 - first))
      doomed.kill()
      const answers = await Promise.all(cut)
      const stood = await Promise.all(round.map((seed) => batchesOf(deployment, seed)))
      for (const [at, seed] of round.entries()) {
        expect(stood[at]?.length).toBeLessThanOrEqual(standsStill(seed) ? 0 : 1)
        // A batch that was answered stands; one that was not answered may.
        if (answers[at] === 202) expect(stood[at]).toHaveLength(1)
      }
      const repeated = await Promise.all(round.map((seed) => repeat(deployment, seed)))
      for (const [at, answer] of repeated.entries()) {
        expect(answer.status).toBe(202)
        const { id, request_counts: counts } = (await answer.json()) as SeenBatch
        expect(counts.total).toBe(2_400)
        const stands = (await batchesOf(deployment, first + at)).map((batch) => batch.id)
        expect(stands).toEqual([id])
        // What the killed attempt wrote goes with the one that took over.
        const input = async (): Promise<boolean> => (await store.list(`batches/${id}/input/`)).keys.length === 5
        await eventually(input, { what: 'the input of one attempt' })
        expect(stood[at]?.map((batch) => batch.id) ?? []).toEqual(stood[at]?.length === 0 ? [] : [id])
      }
    }
    store.close()
  }, 120_000)
})

describe('an API process that is stopped in the middle of an upload, and goes on later', () => {
  const stop = ({ pid }: Child<string>): boolean => process.kill(pid, 'SIGSTOP')
  const goOn = ({ pid }: Child<string>): boolean => process.kill(pid, 'SIGCONT')

  it('loses its key to a repeat elsewhere: there is one batch, whole', async () => {
    await using deployment = await start(0)
    const stopped = await deployment.startApi()
    const { promise: wait, resolve } = Promise.withResolvers<void>()
    const first = send(deployment, stopped.ready, 0, inParts(100_000, wait))
    const store = openTestStore(deployment.bucket)
    await eventually(async () => (await store.list('batches/')).keys.length > 0, { what: 'a chunk in the ledger' })
    store.close()
    expect((await send(deployment, deployment.apiUrl, 0)).status).toBe(409)
    stop(stopped)
    const answer = await repeat(deployment, 0)
    expect(answer.status).toBe(202)
    const text = await answer.text()
    goOn(stopped)
    resolve()
    const late = await first
    if (late.status === 202) expect(await late.text()).toBe(text)
    else expect(late.status).toBe(409)
    const batches = await batchesOf(deployment, 0)
    expect(batches.map(({ id }) => id)).toEqual([(JSON.parse(text) as SeenBatch).id])
  })
})

describe('bad lines that are skipped', () => {
  it('have failed with invalid_request, without a call, and every line is answered in order', async () => {
    await using deployment = await start(1)
    const bad = ['{"custom_id":"no prompt"}', '{', '{"custom_id":"sku-1","prompt":"taken"}', '{"prompt":"x","n":0}']
    const good = items(60).map((item) => JSON.stringify(item))
    const all = [...good.slice(0, 30), ...bad.slice(0, 2), '', ...good.slice(30), ...bad.slice(2)]
    const answer = await upload(
      { api: { url: deployment.apiUrl }, key: deployment.key },
      'application/x-ndjson',
      all.join('\n'),
      {
        options: {
          defaults: small,
          on_invalid: 'skip',
          webhook: { url: deployment.sink.url, events: ['item.failed'] },
        },
      },
    )
    expect(answer.status).toBe(202)
    const { id } = (await answer.json()) as SeenBatch
    const batch = await deployment.ended(id, 60_000)
    expect(batch).toMatchObject({
      status: 'completed',
      has_errors: true,
      request_counts: { total: 64, succeeded: 60, failed: 4 },
      usage: { provider_calls: 60 },
      errors: { total: 4 },
    })
    const results = await deployment.results(id)
    const failed = results.filter(({ status }) => status === 'failed')
    expect(results.map(({ id: item }) => item)).toEqual(
      results.map((_, at) => `item_${id.slice('batch_'.length)}-${String(at)}`),
    )
    expect(
      failed.map(({ custom_id, error, attempts, cost_usd }) => [custom_id, error?.code, attempts, cost_usd]),
    ).toEqual([
      ['no prompt', 'invalid_request', 0, '0.00'],
      ['item-32', 'invalid_request', 0, '0.00'],
      ['item-64', 'invalid_request', 0, '0.00'],
      ['item-65', 'invalid_request', 0, '0.00'],
    ])
    expect(failed[0]?.error?.message).toContain('prompt')
    expect((await deployment.calls()).paid).toBe(60)
    // A retry never opens them.
    expect(await deployment.say(id, 'retry')).toMatchObject({ status: 'completed', retried: 0 })
  })
})
