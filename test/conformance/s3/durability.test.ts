import { GetObjectCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3'
import { randomBytes, randomInt } from 'node:crypto'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { startS3 } from '../../../src/dev/stack.ts'
import { bytesOf, sha256 } from './setting.ts'

const writers = 20
const keysOfWriter = 4
const kills = 3
const acknowledgedBeforeKill = 200
const bucket = 'durable'
const credentials = { accessKeyId: 'durable', secretAccessKey: 'durable-secret' }

let folder: string

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 's3-durability-'))
})

afterEach(async () => {
  await rm(folder, { recursive: true, force: true })
})

/** What a key may hold: the last body that was acknowledged, or one that was sent afterwards and not answered. */
interface Expected {
  acknowledged: string | undefined
  sent: string[]
}

it('loses and tears nothing that it acknowledged, killed in the middle of twenty writers', async () => {
  const expected = new Map<string, Expected>()
  let acknowledged = 0

  /** Overwrites the writer's keys in turn until the server is gone. */
  async function write(client: S3Client, writer: number, told: () => void): Promise<void> {
    for (let turn = 0; ; turn += 1) {
      const Key = `writer-${String(writer)}/${String(turn % keysOfWriter)}`
      const Body = randomBytes(randomInt(1, 150_000))
      const sum = sha256(Body)
      const of = expected.get(Key) ?? { acknowledged: undefined, sent: [] }
      expected.set(Key, of)
      of.sent.push(sum)
      const put = new PutObjectCommand({ Bucket: bucket, Key, Body, ChecksumSHA256: sum, Metadata: { sum } })
      try {
        await client.send(put)
      } catch (error) {
        const { $metadata } = error as { $metadata?: { httpStatusCode?: number } }
        expect($metadata?.httpStatusCode).toBeUndefined()
        return
      }
      of.acknowledged = sum
      of.sent = []
      told()
    }
  }

  async function check(client: S3Client): Promise<void> {
    for (const [Key, of] of expected) {
      const found = await client.send(new GetObjectCommand({ Bucket: bucket, Key })).catch((error: unknown) => {
        expect(error).toMatchObject({ name: 'NoSuchKey' })
      })
      const sum = found?.Metadata?.['sum']
      expect([of.acknowledged, ...of.sent]).toContain(sum)
      if (found !== undefined) expect(sha256(await bytesOf(found))).toBe(sum)
      of.acknowledged = sum
      of.sent = []
    }
    const entries = await readdir(join(folder, 'bodies'), { recursive: true, withFileTypes: true })
    const objects = [...expected.values()].filter((of) => of.acknowledged !== undefined)
    expect(entries.filter((entry) => entry.isFile())).toHaveLength(objects.length)
  }

  for (let kill = 1; kill <= kills + 1; kill += 1) {
    const server = await startS3({ folder, bucket, ...credentials })
    const connection = { region: 'eu-north-1', credentials, forcePathStyle: true, maxAttempts: 1 }
    const client = new S3Client({ endpoint: server.url, ...connection })
    await check(client)
    if (kill <= kills) {
      const untilKill = acknowledged + acknowledgedBeforeKill
      const told = (): void => {
        acknowledged += 1
        if (acknowledged === untilKill) server.kill()
      }
      await Promise.all(Array.from({ length: writers }, (_, writer) => write(client, writer, told)))
      expect(await server.ended).toContain('SIGKILL')
    } else await server.stop()
    client.destroy()
  }
  expect(acknowledged).toBeGreaterThanOrEqual(kills * acknowledgedBeforeKill)
  expect(expected.size).toBe(writers * keysOfWriter)
})
