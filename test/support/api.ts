import { inject } from 'vitest'
import { startApi, type Api, type ApiOptions } from '../../src/api/main.ts'
import { loadConfig, type Environment } from '../../src/shared/config/load.ts'
import { openParts, type Parts } from '../../src/shared/parts/open.ts'
import { openLog } from '../../src/shared/process/log.ts'
import { freshNames } from './fresh-names.ts'

/** An API of its own in this process, on the run's Redis and S3 under names that no other test has. */
export interface TestApi extends AsyncDisposable {
  readonly api: Api
  readonly parts: Parts
  readonly key: string
  /** Sends with the key, and a JSON body where one is given; `headers` win. */
  send(method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<Response>
  submit(body: object): Promise<Response>
}

export const testKey = 'cw_test_0123456789abcdef0123456789abcdef'

export async function startTestApi(
  file: string,
  { env = {}, options }: { env?: Environment; options?: ApiOptions } = {},
): Promise<TestApi> {
  const { redisPrefix, bucket } = await freshNames(file)
  const s3 = inject('s3')
  // The SDK finds credentials in the environment alone; each test file is a process of its own.
  process.env['AWS_ACCESS_KEY_ID'] = s3.accessKeyId
  process.env['AWS_SECRET_ACCESS_KEY'] = s3.secretAccessKey
  const loaded = loadConfig(
    {
      PORT: '0',
      METRICS_PORT: '0',
      REDIS_URL: inject('redisUrl'),
      REDIS_PREFIX: redisPrefix,
      S3_BUCKET: bucket,
      S3_ENDPOINT: s3.endpoint,
      S3_REGION: s3.region,
      S3_FORCE_PATH_STYLE: String(s3.forcePathStyle),
      CRATEWORK_API_KEY: testKey,
      ...env,
    },
    ['api'],
  )
  if ('faults' in loaded) throw new Error(loaded.faults.join('\n'))
  const parts = openParts(loaded.config, 'api', { log: openLog({ level: 'silent', format: 'json' }) })
  const api = await startApi(parts, options)

  async function send(method: string, path: string, body?: unknown, headers = {}): Promise<Response> {
    return await fetch(`${api.url}${path}`, {
      method,
      headers: { authorization: `Bearer ${testKey}`, 'content-type': 'application/json', ...headers },
      ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    })
  }
  return {
    api,
    parts,
    key: testKey,
    send,
    submit: (body) => send('POST', '/v1/batches', body),
    async [Symbol.asyncDispose]() {
      await api.stop()
      await parts.close()
    },
  }
}
