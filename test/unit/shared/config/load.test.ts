import { describe, expect, it } from 'vitest'
import { loadConfig } from '../../../../src/shared/config/load.ts'
import type { Environment } from '../../../../src/shared/config/load.ts'
import { notBuiltYet, variables } from '../../../../src/shared/config/variables.ts'
import type { Role, Variable, VariableName } from '../../../../src/shared/config/variables.ts'

const needed = {
  REDIS_URL: 'redis://localhost:6379',
  S3_BUCKET: 'shop-images',
  RUNCRATE_API_KEY: 'rc_live_0123456789abcdef',
  CRATEWORK_API_KEY: 'cw_0123456789abcdef0123456789abcdef',
}

function load(env: Environment, roles: readonly Role[] = ['api', 'worker']) {
  const loaded = loadConfig(env, roles)
  if ('faults' in loaded) throw new Error(loaded.faults.join('\n'))
  return loaded
}

function faultsOf(env: Environment, roles: readonly Role[] = ['api', 'worker']): string[] {
  const loaded = loadConfig(env, roles)
  return 'faults' in loaded ? loaded.faults : []
}

describe('loadConfig', () => {
  it('has the defaults of the contract', () => {
    const { config, warnings } = load(needed)
    expect(warnings).toEqual([])
    expect(config).toEqual({
      port: 8080,
      host: '127.0.0.1',
      metricsPort: { value: 9464, explicit: false },
      metricsHost: '127.0.0.1',
      redisUrl: 'redis://localhost:6379',
      redisPrefix: '{cw}',
      s3: {
        bucket: 'shop-images',
        endpoint: undefined,
        region: 'us-east-1',
        forcePathStyle: false,
        prefix: '',
        publicEndpoint: undefined,
      },
      provider: {
        apiKey: needed.RUNCRATE_API_KEY,
        baseUrl: 'https://api.runcrate.ai/v1',
        rateLimit: undefined,
        timeoutMs: 120_000,
      },
      worker: {
        concurrency: 50,
        lockMs: 8000,
        sweepIntervalMs: 15_000,
        itemMaxAttempts: 8,
        retryUnknown: true,
        shutdownGraceMs: 130_000,
      },
      apiKey: needed.CRATEWORK_API_KEY,
      publicUrl: 'http://127.0.0.1:8080',
      webhook: {
        allowHttp: false,
        allowPrivate: false,
        secret: undefined,
        retryScheduleMs: [
          0, 5_000, 300_000, 1_800_000, 7_200_000, 18_000_000, 36_000_000, 50_400_000, 72_000_000, 86_400_000,
          86_400_000, 86_400_000,
        ],
      },
      log: { level: 'info', format: 'json' },
    })
  })

  it('asks a role only for what it uses', () => {
    const shared = { REDIS_URL: needed.REDIS_URL, S3_BUCKET: needed.S3_BUCKET }
    expect(load({ ...shared, CRATEWORK_API_KEY: needed.CRATEWORK_API_KEY }, ['api']).config.provider.apiKey).toBe('')
    expect(load({ ...shared, RUNCRATE_API_KEY: needed.RUNCRATE_API_KEY }, ['worker']).config.apiKey).toBe('')
    expect(faultsOf({}, ['api']).map((fault) => fault.split(' ')[0])).toEqual([
      'REDIS_URL',
      'S3_BUCKET',
      'CRATEWORK_API_KEY',
    ])
    expect(faultsOf({}, ['worker']).map((fault) => fault.split(' ')[0])).toEqual([
      'REDIS_URL',
      'S3_BUCKET',
      'RUNCRATE_API_KEY',
    ])
  })

  it('gives a worker its own default metrics port, and knows one that was set', () => {
    expect(load(needed, ['worker']).config.metricsPort).toEqual({ value: 9465, explicit: false })
    expect(load({ ...needed, METRICS_PORT: '9465' }, ['worker']).config.metricsPort).toEqual({
      value: 9465,
      explicit: true,
    })
  })

  it('takes an empty text for unset', () => {
    expect(load({ ...needed, PORT: '', S3_ENDPOINT: '' }).config).toMatchObject({
      port: 8080,
      s3: { endpoint: undefined },
    })
    expect(faultsOf({ ...needed, S3_BUCKET: '' })[0]).toMatch(
      /^S3_BUCKET is not set; it should be the name of a bucket/,
    )
  })

  const bad: [VariableName, string][] = [
    ['PORT', 'http'],
    ['PORT', '65536'],
    ['PORT', '-1'],
    ['PORT', '80.5'],
    ['HOST', 'a host'],
    ['METRICS_PORT', '1e3'],
    ['METRICS_HOST', '/tmp/socket'],
    ['REDIS_URL', 'localhost:6379'],
    ['REDIS_URL', 'http://localhost'],
    ['REDIS_URL', 'redis://localhost/zero'],
    ['REDIS_URL', 'redis://'],
    ['REDIS_PREFIX', 'cw'],
    ['REDIS_PREFIX', '{}'],
    ['REDIS_PREFIX', '{a}{b}'],
    ['S3_BUCKET', 'ab'],
    ['S3_BUCKET', 'my bucket'],
    ['S3_ENDPOINT', 's3.example.com'],
    ['S3_ENDPOINT', 'https://key:secret@s3.example.com'],
    ['S3_REGION', 'eu west'],
    ['S3_FORCE_PATH_STYLE', 'yes'],
    ['S3_PREFIX', '/shop'],
    ['S3_PREFIX', 'shop/../other'],
    ['S3_PREFIX', 'shop//a'],
    ['S3_PUBLIC_ENDPOINT', 'cdn'],
    ['RUNCRATE_API_KEY', 'two words'],
    ['RUNCRATE_BASE_URL', 'ftp://api.runcrate.ai'],
    ['RUNCRATE_BASE_URL', 'https://api.runcrate.ai/v1?key=1'],
    ['RUNCRATE_RATE_LIMIT', '0'],
    ['RUNCRATE_TIMEOUT_MS', '2m'],
    ['WORKER_CONCURRENCY', '0'],
    ['WORKER_LOCK_MS', '5'],
    ['SWEEP_INTERVAL_MS', 'often'],
    ['ITEM_MAX_ATTEMPTS', '21'],
    ['RETRY_UNKNOWN', '1'],
    ['SHUTDOWN_GRACE_MS', '-5'],
    ['CRATEWORK_API_KEY', 'x'.repeat(31)],
    ['CRATEWORK_SECRET', 'x'.repeat(31)],
    ['CRATEWORK_PUBLIC_URL', 'shop.example.com'],
    ['WEBHOOK_ALLOW_HTTP', 'on'],
    ['WEBHOOK_ALLOW_PRIVATE', 'True'],
    ['WEBHOOK_SECRET', 'whsec_c2hvcnQ='],
    ['WEBHOOK_SECRET', 'x'.repeat(40)],
    ['WEBHOOK_RETRY_SCHEDULE_MS', '5s,10s'],
    ['WEBHOOK_RETRY_SCHEDULE_MS', Array.from({ length: 21 }, () => '1').join(',')],
    ['WEBHOOK_RETRY_SCHEDULE_MS', '604800001'],
    ['LOG_LEVEL', 'loud'],
    ['LOG_FORMAT', 'xml'],
  ]

  it.each(bad)('refuses %s=%s in one line that says what it should be', (name, text) => {
    const faults = faultsOf({ ...needed, [name]: text })
    const variable: Variable = variables[name]
    expect(faults).toHaveLength(1)
    expect(faults[0]).toMatch(new RegExp(`^${name} holds `))
    expect(faults[0]).toContain(`it should be ${variable.shouldBe}`)
    expect(faults[0]).not.toContain('\n')
    if (variable.secret) expect(faults[0]).not.toContain(text)
    else if (!text.includes('@') && !text.includes('?')) expect(faults[0]).toContain(JSON.stringify(text))
  })

  it('has a bad example for every variable', () => {
    expect(new Set(bad.map(([name]) => name))).toEqual(new Set(Object.keys(variables)))
  })

  it('names every fault at once', () => {
    expect(faultsOf({ PORT: 'x', LOG_LEVEL: 'y' }, ['api'])).toHaveLength(5)
  })

  it.each([
    'redis://user:hunter2@ho st:6379',
    'redis://user:hunter2@localhost/zero',
    'redis://user:hunt@hunter2@local/zero',
    'redis://localhost?password=hunter2',
    'http://:hunter2@localhost\n:6379',
  ])('never shows user and password of a URL: %s', (REDIS_URL) => {
    const [fault] = faultsOf({ ...needed, REDIS_URL })
    expect(fault).not.toContain('hunter2')
    expect(fault).not.toContain('user:h')
    expect(fault).not.toContain('\n')
  })

  it('drops a slash at the end of a URL and puts one at the end of the prefix', () => {
    const { config } = load({ ...needed, RUNCRATE_BASE_URL: 'http://127.0.0.1:9/v1/', S3_PREFIX: 'shop/one' })
    expect(config.provider.baseUrl).toBe('http://127.0.0.1:9/v1')
    expect(config.s3.prefix).toBe('shop/one/')
  })

  it('works out what follows from other variables', () => {
    const { config } = load({ ...needed, HOST: '::1', PORT: '9000', RUNCRATE_TIMEOUT_MS: '5000' })
    expect(config.publicUrl).toBe('http://[::1]:9000')
    expect(config.worker.shutdownGraceMs).toBe(15_000)
  })

  it.each(Object.entries(notBuiltYet))('refuses %s by name, since it is not built yet', (name, why) => {
    const faults = faultsOf({ ...needed, [name]: 'redis://:hunter2@a:1' })
    expect(faults).toEqual([expect.stringMatching(new RegExp(`^${name} holds .* unset: `))])
    expect(faults[0]).toContain(why)
    expect(faults[0]).not.toContain('hunter2')
  })

  it('warns of names that look like ours, with the nearest known one', () => {
    const { warnings } = load({
      ...needed,
      RUNCRATE_RATELIMIT: '5',
      WORKER_CONCURENCY: '9',
      S3_ACCESS_KEY: 'x',
      CRATEWORK_URL: 'http://127.0.0.1:8080',
      HOME: '/root',
    })
    expect(warnings).toEqual([
      "RUNCRATE_RATELIMIT is set and is no variable of Cratework's; is RUNCRATE_RATE_LIMIT meant?",
      "WORKER_CONCURENCY is set and is no variable of Cratework's; is WORKER_CONCURRENCY meant?",
      "S3_ACCESS_KEY is set and is no variable of Cratework's",
    ])
  })
})
