import { join } from 'node:path'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { expect, inject, it } from 'vitest'
import { freePort } from '../../src/dev/ports.ts'
import { startS3 } from '../../src/dev/stack.ts'
import { items, small } from '../support/catalog.ts'
import { startDeployment } from '../support/deployment.ts'
import { eventually } from '../support/eventually.ts'
import { secondsSince, tellFigures } from '../support/figures.ts'
import { freshNames } from '../support/fresh-names.ts'

const count = 300
/** CRATEWORK_TEST_AWAY_MS keeps S3 away for longer: the acceptance run for 30 s. */
const awayMs = Number(process.env['CRATEWORK_TEST_AWAY_MS'] ?? 0)

it('keeps what it paid for while S3 is away, pays for nothing more, and goes on when it is back', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'cratework-s3-'))
  const port = await freePort()
  const credentials = { accessKeyId: 'away-test', secretAccessKey: 'away-test-secret' }
  const start = { folder, port, bucket: 'shop-images', ...credentials }
  let s3 = await startS3(start)
  try {
    const { redisPrefix } = await freshNames(import.meta.filename)
    await using deployment = await startDeployment({
      redisUrl: inject('redisUrl'),
      redisPrefix,
      s3: { endpoint: s3.url, region: 'us-east-1', forcePathStyle: true, ...credentials },
      bucket: 'shop-images',
      workers: 2,
      latencyMs: 100,
      env: { WORKER_CONCURRENCY: '10' },
    })
    const { id } = await deployment.submit({ items: items(count), defaults: small })
    await eventually(async () => (await deployment.get(id)).request_counts.succeeded >= 50, {
      withinMs: 60_000,
      what: '50 images',
    })
    s3.kill()
    await s3.ended
    const awayAt = performance.now()
    // Calls that were under way end, then nobody calls: the lane is closed.
    const paidAtRest = await eventually(
      async () => {
        const before = (await deployment.calls()).total
        return (await deployment.inFlight()) === 0 && (await stays(deployment.calls, before)) && before
      },
      { withinMs: 30_000, what: 'calls to cease' },
    )
    expect(paidAtRest).toBeLessThan(count)
    while (performance.now() - awayAt < awayMs) expect((await deployment.calls()).total).toBe(paidAtRest)
    expect((await deployment.request('GET', `/v1/batches/${id}`)).status).toBe(503)

    const seconds = secondsSince(awayAt)
    s3 = await startS3(start)
    const batch = await deployment.ended(id, 100_000)
    expect(batch.request_counts).toMatchObject({ total: count, succeeded: count, failed: 0 })
    expect((await deployment.calls()).paid).toBe(count)
    expect(batch.usage.provider_calls).toBe(count)
    tellFigures({
      items: count,
      'seconds without S3': seconds,
      'paid calls once they ceased': paidAtRest,
      'paid calls at the end': (await deployment.calls()).paid,
      succeeded: batch.request_counts['succeeded'] ?? 0,
    })
  } finally {
    await s3.stop()
    await rm(folder, { recursive: true, force: true })
  }
}, 180_000)

/** Whether no call is added over fifty further looks at the simulator's record. */
async function stays(calls: () => Promise<{ total: number }>, before: number): Promise<boolean> {
  for (let look = 0; look < 50; look += 1) if ((await calls()).total !== before) return false
  return true
}
