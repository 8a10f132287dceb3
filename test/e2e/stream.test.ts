import { Redis } from 'ioredis'
import { expect, it, inject } from 'vitest'
import { items, small } from '../support/catalog.ts'
import { startDeployment, type SeenBatch } from '../support/deployment.ts'
import { eventually } from '../support/eventually.ts'
import { secondsSince, tellFigures } from '../support/figures.ts'
import { freshNames } from '../support/fresh-names.ts'
import { startOwnRedis } from '../support/own-redis.ts'

/** CRATEWORK_TEST_ITEMS asks for another size: the acceptance run takes 10,000. */
const count = Number(process.env['CRATEWORK_TEST_ITEMS'] ?? 1000)

it('makes a batch that was streamed as lines, with a window of jobs and flat memory', async () => {
  // A Redis of its own: what it uses is this batch's alone.
  await using redis = await startOwnRedis()
  const { bucket, redisPrefix } = await freshNames(import.meta.filename)
  await using deployment = await startDeployment({
    redisUrl: redis.url,
    redisPrefix,
    s3: inject('s3'),
    bucket,
    workers: 2,
  })
  const client = new Redis(redis.url)
  const usedBytes = async (): Promise<number> =>
    Number(/^used_memory:(\d+)/m.exec(await client.info('memory'))?.[1] ?? Number.NaN)
  const before = await usedBytes()
  const startedMs = performance.now()
  const answer = await fetch(
    `${deployment.apiUrl}/v1/batches?options=${encodeURIComponent(JSON.stringify({ defaults: small }))}`,
    {
      method: 'POST',
      headers: { authorization: `Bearer ${deployment.key}`, 'content-type': 'application/x-ndjson' },
      body: items(count)
        .map((item) => `${JSON.stringify(item)}\n`)
        .join(''),
    },
  )
  expect(answer.status).toBe(202)
  const { id } = (await answer.json()) as SeenBatch

  let jobsMax = 0
  let usedMax = 0
  const batch = await eventually(
    async () => {
      const [waiting, active, delayed, used] = await Promise.all([
        client.llen(`${redisPrefix}:generate-standard:wait`),
        client.llen(`${redisPrefix}:generate-standard:active`),
        client.zcard(`${redisPrefix}:generate-standard:delayed`),
        usedBytes(),
      ])
      jobsMax = Math.max(jobsMax, waiting + active + delayed)
      usedMax = Math.max(usedMax, used)
      const seen = await deployment.get(id)
      const { total, queued, in_progress, succeeded, reused, failed, cancelled, expired } = seen.request_counts
      // Told at the end: what is thrown here counts as not true yet.
      if (queued + in_progress + succeeded + reused + failed + cancelled + expired !== total) return { broken: seen }
      return seen.status === 'completed' && { broken: undefined }
    },
    { withinMs: 200_000, what: `${id} to end` },
  )
  expect(batch.broken).toBeUndefined()
  const seconds = secondsSince(startedMs)
  const lines = await deployment.results(id)
  expect(lines.map(({ custom_id }) => custom_id)).toEqual(items(count).map(({ custom_id }) => custom_id))
  expect(lines.every(({ status }) => status === 'succeeded')).toBe(true)
  const stats = await deployment.calls()
  expect(stats.paid).toBe(count)
  // Two workers of fifty places: a window of two hundred, what they hold, and what a turn of the feed may add.
  expect(jobsMax).toBeLessThanOrEqual(500)
  const kept = await client.keys(`${redisPrefix}:live:*`)
  const lifetimes = await Promise.all(kept.map((key) => client.pttl(key)))
  expect(lifetimes.every((ms) => ms !== -1 && ms <= 60_000)).toBe(true)
  // A minute is long: only the acceptance run waits for it.
  if (count > 1000) {
    await eventually(async () => (await client.keys(`${redisPrefix}:live:*`)).length === 0, {
      withinMs: 70_000,
      what: 'Redis to let go of the ended batch',
    })
  }
  const after = await usedBytes()
  client.disconnect()
  tellFigures({
    items: count,
    seconds,
    jobs_at_most: jobsMax,
    redis_mb_before: megabytes(before),
    redis_mb_at_most: megabytes(usedMax),
    redis_mb_after: megabytes(after),
  })
}, 320_000)

function megabytes(bytes: number): number {
  return Math.round((bytes / 1024 / 1024) * 10) / 10
}
