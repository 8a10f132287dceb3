import { join } from 'node:path'
import { startChild, type Child } from '../../src/dev/children.ts'
import { startSimulator, type Part } from '../../src/dev/stack.ts'
import { eventually } from './eventually.ts'
import { startSink, type Sink } from './sink.ts'
import type { TestS3 } from './stack.ts'

/** A batch as the API tells of it; only what tests look at. Written anew here: a judge must not share our types. */
export interface SeenBatch {
  id: string
  status: string
  has_errors: boolean
  request_counts: Record<
    'total' | 'completed' | 'failed' | 'queued' | 'in_progress' | 'succeeded' | 'reused' | 'cancelled' | 'expired',
    number
  >
  usage: { images: number; provider_calls: number; cost_usd: string; indeterminate: number }
  blocked_by: { reason: string; since: number; detail: string } | null
  paused_at: number | null
  budget: { limit_usd: string | null; reserved_usd: string; spent_usd: string }
}

export interface SeenLine {
  id: string
  custom_id: string
  status: string
  response: { body: { data: { url: string; s3_key: string; sha256: string }[] } } | null
  error: { code: string; message: string; retryable: boolean } | null
  attempts: number
  cost_usd: string | null
}

export interface SeenCall {
  at_ms: number
  model: string
  prompt: string
  idempotency_key: string
  paid: boolean
  status: number
  /** Its caller was gone before the answer. */
  aborted: boolean
}

export interface Deployment extends AsyncDisposable {
  readonly apiUrl: string
  readonly key: string
  readonly sink: Sink
  readonly simulator: Part
  readonly bucket: string
  request(method: string, path: string, body?: unknown): Promise<Response>
  submit(body: object): Promise<SeenBatch>
  get(id: string): Promise<SeenBatch>
  /** Waits for the end, holding the counts against the total at every read. */
  ended(id: string, withinMs: number, atEachRead?: (batch: SeenBatch) => void): Promise<SeenBatch>
  results(id: string): Promise<SeenLine[]>
  /** Says something of a batch (`cancel`, `pause`, ...); throws unless it is answered with 200. */
  say(id: string, verb: string, body?: object): Promise<SeenBatch>
  change(id: string, body: object): Promise<SeenBatch>
  /** The simulator's own record of calls: the judge of what was paid. */
  calls(): Promise<{ total: number; paid: number; cost_usd: string; calls: SeenCall[] }>
  inFlight(): Promise<number>
  /** Tells the simulator something: `/_sim/...`. */
  simulate(method: string, path: string, body: object): Promise<void>
  startWorker(env?: Record<string, string>): Promise<Child<string>>
  startApi(env?: Record<string, string>): Promise<Child<string>>
  restartApi(): Promise<void>
}

export interface DeploymentOptions {
  readonly redisUrl: string
  readonly redisPrefix: string
  readonly s3: TestS3
  readonly bucket: string
  readonly workers: number
  readonly latencyMs?: number
  /** Calls a minute that the simulator allows; 0: no limit. */
  readonly simulatorLimit?: number
  readonly env?: Record<string, string>
}

const main = join(import.meta.dirname, '..', '..', 'src', 'cli', 'main.ts')
const secret = `whsec_${Buffer.alloc(32, 7).toString('base64')}`

/** API and workers as real processes, with the environment of the contract, beside a simulator and a webhook sink. */
export async function startDeployment(options: DeploymentOptions): Promise<Deployment> {
  const { s3, bucket } = options
  await using starting = new AsyncDisposableStack()
  let stack = starting
  const simulator = await startSimulator({
    rateLimit: options.simulatorLimit ?? 0,
    latencyMs: options.latencyMs ?? 20,
  })
  stack.defer(() => simulator.stop())
  const sink = stack.use(await startSink(secret))
  const key = 'test-key-of-at-least-thirty-two-characters'
  const base = {
    PATH: process.env['PATH'],
    PORT: '0',
    METRICS_PORT: '0',
    REDIS_URL: options.redisUrl,
    REDIS_PREFIX: options.redisPrefix,
    S3_BUCKET: bucket,
    S3_ENDPOINT: s3.endpoint,
    S3_REGION: s3.region,
    S3_FORCE_PATH_STYLE: String(s3.forcePathStyle),
    AWS_ACCESS_KEY_ID: s3.accessKeyId,
    AWS_SECRET_ACCESS_KEY: s3.secretAccessKey,
    RUNCRATE_API_KEY: 'rc_live_test0000000000',
    RUNCRATE_BASE_URL: simulator.url,
    RUNCRATE_RATE_LIMIT: '1000000',
    CRATEWORK_API_KEY: key,
    WEBHOOK_SECRET: secret,
    WEBHOOK_ALLOW_HTTP: 'true',
    WEBHOOK_ALLOW_PRIVATE: 'true',
    LOG_FORMAT: 'json',
    ...options.env,
  }
  async function startRole(role: 'api' | 'worker', env: Record<string, string>, ready: RegExp): Promise<Child<string>> {
    const child = await startChild({
      name: `cratework ${role}`,
      command: process.execPath,
      args: [main, role],
      env: { ...base, ...env },
      readyLine: (line) => ready.exec(line)?.[1],
      readyWithinMs: 30_000,
      stopWithinMs: 20_000,
      tie: 'watcher',
    })
    stack.defer(() => child.stop())
    return child
  }
  async function startApi(env: Record<string, string> = {}): Promise<Child<string>> {
    const child = await startRole('api', env, /"url":"(http:[^"]+)"/)
    const ready = async (): Promise<boolean> => (await fetch(`${child.ready}/readyz`)).status === 200
    await eventually(ready, { withinMs: 20_000, what: 'the API to be ready' })
    return child
  }
  const startWorker = (env: Record<string, string> = {}): Promise<Child<string>> =>
    startRole('worker', env, /"process":"([^"]+)".*worker is running/)

  let api = await startApi()
  for (let at = 0; at < options.workers; at += 1) await startWorker()

  async function request(method: string, path: string, body?: unknown): Promise<Response> {
    return await fetch(`${api.ready}${path}`, {
      method,
      headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
  }
  async function json<T>(response: Promise<Response>, status: number): Promise<T> {
    const answer = await response
    if (answer.status !== status) throw new Error(`${String(answer.status)}: ${await answer.text()}`)
    return (await answer.json()) as T
  }
  const get = (id: string): Promise<SeenBatch> => json<SeenBatch>(request('GET', `/v1/batches/${id}`), 200)
  const sim = (path: string): string => simulator.url.replace(/\/v1$/, path)
  stack = starting.move()
  return {
    get apiUrl() {
      return api.ready
    },
    key,
    sink,
    simulator,
    bucket,
    request,
    submit: (body) => json<SeenBatch>(request('POST', '/v1/batches', body), 202),
    get,
    say: (id, verb, body) => json<SeenBatch>(request('POST', `/v1/batches/${id}/${verb}`, body), 200),
    change: (id, body) => json<SeenBatch>(request('PATCH', `/v1/batches/${id}`, body), 200),
    async ended(id, withinMs, atEachRead) {
      const seen = await eventually(
        async () => {
          const batch = await get(id)
          if (!addsUp(batch)) return { batch, addsUp: false }
          atEachRead?.(batch)
          return ends.has(batch.status) && { batch, addsUp: true }
        },
        { withinMs, what: `${id} to end` },
      )
      if (!seen.addsUp) throw new Error(`counts do not add up: ${JSON.stringify(seen.batch.request_counts)}`)
      return seen.batch
    },
    async results(id) {
      const answer = await request('GET', `/v1/batches/${id}/results`)
      if (answer.status !== 200) throw new Error(`${String(answer.status)}: ${await answer.text()}`)
      return (await answer.text())
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => JSON.parse(line) as SeenLine)
    },
    calls: () => json(fetch(sim('/_sim/calls')), 200),
    async inFlight() {
      return (await json<{ in_flight: number }>(fetch(sim('/_sim/stats')), 200)).in_flight
    },
    async simulate(method, path, body) {
      const answer = await fetch(sim(path), { method, body: JSON.stringify(body) })
      if (!answer.ok) throw new Error(`${path}: ${String(answer.status)} ${await answer.text()}`)
    },
    startWorker,
    startApi,
    async restartApi() {
      await api.stop()
      api = await startApi()
    },
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  }
}

const ends: ReadonlySet<string> = new Set(['completed', 'cancelled', 'expired'])

function addsUp({ request_counts: counts }: SeenBatch): boolean {
  const { total, completed, queued, in_progress, succeeded, reused, failed, cancelled, expired } = counts
  return (
    completed === succeeded + reused &&
    queued + in_progress + succeeded + reused + failed + cancelled + expired === total
  )
}
