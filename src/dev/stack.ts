import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { startNodeChild } from './children.ts'
import { startRedis } from './redis.ts'
import type { Redis } from './redis.ts'

export interface StackOptions {
  /** Where the parts keep their data, a folder each. */
  readonly folder: string
  readonly say: (line: string) => void
  readonly env?: NodeJS.ProcessEnv
  readonly redis?: { readonly port?: number }
  readonly s3?: S3Options
  readonly simulator?: SimulatorOptions
}

export interface S3Options {
  /** Made if it is not there. */
  readonly bucket: string
  readonly accessKeyId: string
  readonly secretAccessKey: string
  readonly port?: number
}

export interface SimulatorOptions {
  readonly port?: number
  /** Calls a minute; absent: the simulator's own default. */
  readonly rateLimit?: number
  readonly latencyMs?: number
}

/** A part that runs as a child process of this one. */
export interface Part {
  readonly url: string
  readonly pid: number
  /** Resolves when it has ended, by whatever cause. */
  readonly ended: Promise<string>
  stop(): Promise<void>
  kill(): void
}

/** The parts that were asked for; the others are undefined. */
export interface Stack extends AsyncDisposable {
  readonly redis: Redis | undefined
  readonly s3: Part | undefined
  readonly simulator: Part | undefined
  /** Ends all of them in order. May be called twice. */
  stop(): Promise<void>
}

/** Starts the parts that are asked for, on this machine only, each a child process. Throws when one cannot start; none is left then. */
export async function startStack(options: StackOptions): Promise<Stack> {
  const { folder, say, env = process.env } = options
  await mkdir(folder, { recursive: true })
  const started = await Promise.allSettled([
    options.redis && startRedis({ folder: join(folder, 'redis'), say, env, ...options.redis }),
    options.s3 && startS3({ folder: join(folder, 's3'), env, ...options.s3 }),
    options.simulator && startSimulator({ env, ...options.simulator }),
  ])
  const [redis, s3, simulator] = started.map((part) => (part.status === 'fulfilled' ? part.value : undefined))
  const stop = async (): Promise<void> => {
    await Promise.all([redis?.stop(), s3?.stop(), simulator?.stop()])
  }
  const failed = started.find((part) => part.status === 'rejected')
  if (failed !== undefined) {
    await stop()
    throw failed.reason
  }
  return { redis: redis as Redis | undefined, s3, simulator, stop, [Symbol.asyncDispose]: stop }
}

/** Starts the embedded S3 server on a folder of its own; what it acknowledged is there when it is started again on it. */
export async function startS3(
  options: S3Options & { readonly folder: string; readonly env?: NodeJS.ProcessEnv },
): Promise<Part> {
  const { folder, bucket, port = 0, accessKeyId, secretAccessKey, env = process.env } = options
  const child = await startNodeChild({
    name: 'The S3 server',
    file: join(import.meta.dirname, 's3', 'main'),
    args: ['--folder', folder, '--port', String(port), '--bucket', bucket],
    readyField: 'endpoint',
    env: { ...env, AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey },
  })
  return { url: child.ready, pid: child.pid, ended: child.ended, stop: child.stop, kill: child.kill }
}

/** Starts the simulator of Runcrate; `url` is the base URL for `RUNCRATE_BASE_URL`. */
export async function startSimulator(options: SimulatorOptions & { readonly env?: NodeJS.ProcessEnv }): Promise<Part> {
  const { port = 0, rateLimit, latencyMs, env = process.env } = options
  const args = ['--port', String(port)]
  if (rateLimit !== undefined) args.push('--rate-limit', String(rateLimit))
  if (latencyMs !== undefined) args.push('--latency-ms', String(latencyMs))
  const child = await startNodeChild({
    name: 'The simulator',
    file: join(import.meta.dirname, 'simulator', 'main'),
    args,
    readyField: 'baseUrl',
    env,
  })
  return { url: child.ready, pid: child.pid, ended: child.ended, stop: child.stop, kill: child.kill }
}
