import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { DeleteObjectsCommand, ListObjectsV2Command, S3Client } from '@aws-sdk/client-s3'
import { Redis } from 'ioredis'
import { startChild } from '../src/dev/children.ts'
import { startStack } from '../src/dev/stack.ts'
import { startBenchChild } from './child.ts'
import { cpuMsOf } from './cpu.ts'
import { pictures } from './pictures.ts'
import { startReceiver, type Receiver } from './receiver.ts'

/** Whose CPU time is told apart. `api`, `worker` and `redis` are ours; `s3` and `provider` are stand-ins. */
export type Part = 'api' | 'worker' | 'redis' | 'bare' | 's3' | 'provider'

/** All processes of a run: ours, the bare loop, and the stand-ins that both use. */
export interface Surroundings extends AsyncDisposable {
  readonly baseUrl: string
  readonly endpoint: string
  readonly bucket: string
  /** Where our webhooks go. */
  readonly receiver: Receiver
  /** Hands our API a batch and gives what it answered; throws unless that is a 202. */
  submit(batch: object): Promise<unknown>
  /** Has the bare loop do an order. */
  bare(order: object): Promise<void>
  /** CPU time that each part has used so far, in milliseconds. */
  cpuMs(): Promise<Record<Part, number>>
  /** Empties the bucket of images, so that a long run does not fill the disk. */
  removeImages(): Promise<void>
}

export interface SurroundingsOptions {
  /** Where Redis and S3 keep their data. */
  readonly folder: string
  readonly say: (line: string) => void
  /** Where the worker shall write its CPU profile when it ends. */
  readonly profileInto: string | undefined
}

const bucket = 'bench'
const keys = { accessKeyId: 'bench', secretAccessKey: 'bench-secret-access-key' }
const apiKey = 'bench-key-of-at-least-thirty-two-characters'
const webhookSecret = `whsec_${Buffer.alloc(32, 7).toString('base64')}`
const main = join(import.meta.dirname, '..', 'src', 'cli', 'main.ts')
const readyWithinMs = 30_000

/** Starts everything, each part a process, and waits until it can work. What the caller's shell configures is left out. */
export async function startSurroundings({ folder, say, profileInto }: SurroundingsOptions): Promise<Surroundings> {
  const env: NodeJS.ProcessEnv = {
    PATH: process.env['PATH'],
    NODE_ENV: 'production',
    AWS_ACCESS_KEY_ID: keys.accessKeyId,
    AWS_SECRET_ACCESS_KEY: keys.secretAccessKey,
  }
  await mkdir(folder, { recursive: true })
  await using undo = new AsyncDisposableStack()
  const stack = undo.use(await startStack({ folder, say, redis: {}, s3: { bucket, ...keys } }))
  if (stack.redis === undefined || stack.s3 === undefined) throw new Error('Redis or S3 did not start')
  const endpoint = stack.s3.url
  const sizes = pictures.map(({ side, bytes }) => `${String(side)}:${String(bytes)}`)
  const provider = undo.use(await startBenchChild<{ baseUrl: string }>('stand-ins/provider.ts', sizes, env))
  const { baseUrl } = provider.ready
  const receiver = undo.use(await startReceiver())
  const bare = undo.use(await startBenchChild('baselines/bare-loop.ts', [], env))

  async function startRole(role: 'api' | 'worker', ready: RegExp, nodeArgs: readonly string[] = []) {
    return undo.use(
      await startChild({
        name: `cratework ${role}`,
        command: process.execPath,
        args: [...nodeArgs, main, role],
        env: {
          ...env,
          PORT: '0',
          METRICS_PORT: '0',
          REDIS_URL: stack.redis?.url,
          S3_BUCKET: bucket,
          S3_ENDPOINT: endpoint,
          S3_FORCE_PATH_STYLE: 'true',
          RUNCRATE_API_KEY: 'rc_live_bench',
          RUNCRATE_BASE_URL: baseUrl,
          RUNCRATE_RATE_LIMIT: '1000000',
          CRATEWORK_API_KEY: apiKey,
          WEBHOOK_SECRET: webhookSecret,
          WEBHOOK_ALLOW_HTTP: 'true',
          WEBHOOK_ALLOW_PRIVATE: 'true',
          LOG_FORMAT: 'json',
        },
        readyLine: (line) => ready.exec(line)?.[1],
        readyWithinMs,
        stopWithinMs: 20_000,
        tie: 'watcher',
      }),
    )
  }
  const profiling = profileInto === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${profileInto}`]
  const worker = await startRole('worker', /"process":"([^"]+)".*worker is running/, profiling)
  const api = await startRole('api', /"url":"(http:[^"]+)"/)
  const redis = new Redis(stack.redis.url)
  undo.defer(() => {
    redis.disconnect()
  })
  const s3 = new S3Client({ endpoint, region: 'us-east-1', forcePathStyle: true, credentials: keys })
  undo.defer(() => {
    s3.destroy()
  })
  await untilReady(api.ready)

  /** By its own account: where it runs in a container, its process is not one of ours to look at. */
  async function redisCpuMs(): Promise<number> {
    const info = await redis.info('cpu')
    const seconds = (name: string): number => Number(new RegExp(`^${name}:([\\d.]+)`, 'm').exec(info)?.[1])
    return (seconds('used_cpu_user') + seconds('used_cpu_sys')) * 1000
  }

  const stop = undo.move()
  const pids = { api: api.pid, worker: worker.pid, bare: bare.pid, s3: stack.s3.pid, provider: provider.pid }
  return {
    baseUrl,
    endpoint,
    bucket,
    receiver,
    async submit(given) {
      const answer = await fetch(`${api.ready}/v1/batches`, {
        method: 'POST',
        headers: { authorization: `Bearer ${apiKey}`, 'content-type': 'application/json' },
        body: JSON.stringify(given),
      })
      if (answer.status !== 202)
        throw new Error(`the batch was answered ${String(answer.status)}: ${await answer.text()}`)
      return await answer.json()
    },
    async bare(order) {
      await bare.ask(order)
    },
    async cpuMs() {
      const [redisMs, ...others] = await Promise.all([redisCpuMs(), ...Object.values(pids).map(cpuMsOf)])
      const [apiMs = 0, workerMs = 0, bareMs = 0, s3Ms = 0, providerMs = 0] = others
      return { redis: redisMs, api: apiMs, worker: workerMs, bare: bareMs, s3: s3Ms, provider: providerMs }
    },
    async removeImages() {
      for (;;) {
        const { Contents = [] } = await s3.send(new ListObjectsV2Command({ Bucket: bucket, Prefix: 'images/' }))
        const Objects = Contents.map(({ Key }) => ({ Key: Key ?? '' }))
        if (Objects.length === 0) return
        await s3.send(new DeleteObjectsCommand({ Bucket: bucket, Delete: { Objects, Quiet: true } }))
      }
    },
    [Symbol.asyncDispose]: () => stop.disposeAsync(),
  }
}

async function untilReady(url: string): Promise<void> {
  const deadline = performance.now() + readyWithinMs
  while ((await fetch(`${url}/readyz`)).status !== 200) {
    if (performance.now() > deadline) throw new Error('the API did not become ready')
    await delay(50)
  }
}
