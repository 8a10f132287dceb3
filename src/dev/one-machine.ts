import { join } from 'node:path'
import { startApi } from '../api/main.ts'
import type { Config } from '../shared/config/config.ts'
import { loadConfig, type Environment } from '../shared/config/load.ts'
import { bucketFault } from '../shared/ledger/bucket-check.ts'
import { openParts, type Parts } from '../shared/parts/open.ts'
import type { Clock } from '../shared/process/clock.ts'
import { within } from '../shared/process/deadline.ts'
import { ListenFault } from '../shared/process/listen.ts'
import type { Log } from '../shared/process/log.ts'
import { openMetrics } from '../shared/process/metrics.ts'
import { systemRandom } from '../shared/process/random.ts'
import { redisFault } from '../shared/redis/redis-check.ts'
import { startWorker } from '../worker/main.ts'
import { freeApiPort } from './api-port.ts'
import { embeddedBucket, filledIn, missingParts, providerName, type Missing } from './embedded.ts'
import { keptSecrets, type Secrets } from './secrets.ts'
import { startStack, type Stack } from './stack.ts'
import { takeStateFolder } from './state-folder.ts'

/** Why it cannot start, in lines for whoever started it. */
export class StartFault extends Error {
  constructor(lines: readonly string[], cause?: unknown) {
    super(lines.join('\n'), { cause })
    this.name = 'StartFault'
  }
}

export interface MachineOptions {
  readonly command: 'up' | 'demo'
  /** Where data, secrets and logs lie. */
  readonly folder: string
  readonly env: Environment
  /** Opens the log that both roles write to. */
  readonly openLog: (config: Config['log']) => Log
  /** Hears what takes long, a line each. */
  readonly say: (line: string) => void
  /** Called when the configuration is found good, before anything is started or paid. */
  readonly announce?: (plan: { readonly missing: Missing; readonly config: Config }) => void
}

/** API, worker and what they stand on, all on this machine and all ended together. */
export interface Machine {
  /** Of the API. */
  readonly url: string
  readonly config: Config
  /** What was not configured, and so is embedded. */
  readonly missing: Missing
  readonly clock: Clock
  readonly log: Log
  /** One line for each thing that it stands on. */
  readonly about: readonly string[]
  /** Resolves, with words for how, when an embedded part ends by itself: nothing goes on without it. */
  readonly broken: Promise<string>
  /** How long `stop` may take. */
  readonly graceMs: number
  /** Takes nothing new, finishes what is in flight, ends every part. */
  stop(): Promise<void>
}

/** Starts everything in this process, the missing parts as its children. Throws `StartFault`; nothing is left running then. */
export async function startOneMachine(options: MachineOptions): Promise<Machine> {
  const { command, folder, env } = options
  const missing = missingParts(env)
  await using undo = new AsyncDisposableStack()
  const secrets = setUp(() => {
    undo.use(takeStateFolder(folder))
    return keptSecrets(folder, systemRandom)
  })
  const environment = (stack?: Stack): Environment => {
    const redis = stack?.redis?.url ?? 'redis://127.0.0.1'
    const s3 = stack?.s3?.url ?? 'http://127.0.0.1'
    const provider = stack?.simulator?.url ?? 'http://127.0.0.1'
    return filledIn(env, { command, missing, secrets, urls: { redis, s3, provider } })
  }

  // Before anything is started: what is wrong with the configuration is no matter of ports.
  const { config: first } = configured(environment())
  options.announce?.({ missing, config: first })
  const stack = undo.use(await startEmbedded(options, missing, secrets))
  const port = env['PORT'] || String(await freeApiPort(first.host))
  const { config, warnings } = configured({ ...environment(stack), PORT: port })

  if (missing.s3) useCredentials(secrets)
  const log = options.openLog(config.log)
  for (const warning of warnings) log.warn(warning)
  const own = { log, metrics: openMetrics() }
  const workerParts = undo.use(openParts(config, 'worker', own))
  const apiParts = undo.use(openParts(config, 'api', own))
  await checkConfigured(workerParts, missing)
  undo.use(await listening(startWorker(workerParts)))
  // One process, one metrics port: the worker has it.
  const api = undo.use(await listening(startApi(apiParts, { health: false })))

  let stopping: Promise<void> | undefined
  const parts = undo.move()
  return {
    url: api.url,
    config,
    missing,
    clock: apiParts.clock,
    log,
    about: about(config, missing, api.url),
    broken: new Promise((resolve) => {
      const ended = (name: string) => (how: string) => {
        if (stopping === undefined) resolve(`${name} ${how}`)
      }
      void stack.redis?.ended.then(ended('Redis'))
      void stack.s3?.ended.then(ended('The S3 server'))
      void stack.simulator?.ended.then(ended('The simulator'))
    }),
    graceMs: config.worker.shutdownGraceMs + stackStopMs,
    stop: () => (stopping ??= parts.disposeAsync()),
  }
}

/** The children are asked for 10 s, then killed (stack.ts). */
const stackStopMs = 12_000
const answerMs = 5_000

function setUp(step: () => Secrets): Secrets {
  try {
    return step()
  } catch (error) {
    throw asFault(error)
  }
}

function asFault(error: unknown): StartFault {
  return new StartFault([error instanceof Error ? error.message : String(error)], error)
}

function configured(env: Environment): { config: Config; warnings: string[] } {
  const loaded = loadConfig(env, ['api', 'worker'])
  if ('faults' in loaded) throw new StartFault(loaded.faults)
  return loaded
}

async function startEmbedded(
  { folder, env, say }: MachineOptions,
  missing: Missing,
  { accessKeyId, secretAccessKey }: Secrets,
): Promise<Stack> {
  try {
    return await startStack({
      folder: join(folder, providerName(missing)),
      say,
      env,
      ...(missing.redis ? { redis: {} } : {}),
      ...(missing.s3 ? { s3: { bucket: embeddedBucket, accessKeyId, secretAccessKey } } : {}),
      ...(missing.provider ? { simulator: {} } : {}),
    })
  } catch (error) {
    throw asFault(error)
  }
}

/**
 * The AWS SDK takes credentials from the process's own environment and nowhere else that we could hand them; what it would
 * prefer to these, or add to them, is taken out.
 */
function useCredentials({ accessKeyId, secretAccessKey }: Secrets): void {
  process.env.AWS_ACCESS_KEY_ID = accessKeyId
  process.env.AWS_SECRET_ACCESS_KEY = secretAccessKey
  delete process.env.AWS_SESSION_TOKEN
  delete process.env.AWS_PROFILE
}

/** Holds what was configured against what the product needs. What is embedded is as it should be. */
async function checkConfigured({ clock, random, redis, store }: Parts, missing: Missing): Promise<void> {
  const answered = async (what: string, check: Promise<string | undefined>): Promise<string | undefined> => {
    try {
      return await within(clock, answerMs, check)
    } catch (error) {
      return `${what}: ${error instanceof Error ? error.message : String(error)}`
    }
  }
  const faults = await Promise.all([
    missing.redis ? undefined : answered('Redis (REDIS_URL)', redisFault(redis)),
    missing.s3 ? undefined : answered('S3 (S3_BUCKET)', bucketFault(store, random)),
  ])
  const found = faults.filter((fault) => fault !== undefined)
  if (found.length > 0) throw new StartFault(found)
}

async function listening<T>(role: Promise<T>): Promise<T> {
  try {
    return await role
  } catch (error) {
    throw error instanceof ListenFault ? asFault(error) : error
  }
}

function about({ redisUrl, s3, provider }: Config, missing: Missing, url: string): string[] {
  const where = (name: string, isEmbedded: boolean, at: string): string =>
    `  ${name.padEnd(9)} ${isEmbedded ? 'embedded  ' : 'configured'}  ${at}`
  const { protocol, host } = new URL(redisUrl)
  const simulated = `the simulator, ${provider.baseUrl}: nothing is paid`
  return [
    where('Redis', missing.redis, `${protocol}//${host}`),
    where(
      'S3',
      missing.s3,
      `${s3.endpoint ?? 'AWS'}, bucket ${s3.bucket}${s3.prefix === '' ? '' : `, below ${s3.prefix}`}`,
    ),
    where('Provider', missing.provider, missing.provider ? simulated : `${provider.baseUrl}: images are paid for`),
    `  API       ${url}`,
  ]
}
