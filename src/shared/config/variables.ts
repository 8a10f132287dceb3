import { z } from 'zod'

export type Role = 'api' | 'worker'

/** One row of the table: everything that is known of a variable. A test holds `docs/configuration.md` to it. */
export interface Variable<Value = unknown> {
  /** As it would be written in the environment. Undefined: unset, or worked out from other variables. */
  readonly default?: string
  /** What the documentation says where the default is not one fixed text. */
  readonly defaultNote?: string
  /** Roles that do not start without it. */
  readonly neededBy: readonly Role[]
  /** Never printed. */
  readonly secret: boolean
  readonly meaning: string
  /** Ends the sentence "should be ...". */
  readonly shouldBe: string
  /** From the text in the environment. */
  readonly type: z.ZodType<Value, string>
}

const day = 24 * 60 * 60 * 1000

function row<Value>(
  variable: Omit<Variable<Value>, 'neededBy' | 'secret'> & Partial<Variable<Value>>,
): Variable<Value> {
  return { neededBy: [], secret: false, ...variable }
}

function whole(min: number, max: number): { type: z.ZodType<number, string>; shouldBe: string } {
  return {
    shouldBe: `a whole number from ${String(min)} to ${String(max)}`,
    type: z
      .string()
      .regex(/^[0-9]{1,15}$/)
      .transform(Number)
      .pipe(z.number().min(min).max(max)),
  }
}

const truth = {
  shouldBe: 'true or false',
  type: z.enum(['true', 'false']).transform((text) => text === 'true'),
}

function oneOf<const Word extends string>(
  ...words: readonly Word[]
): { type: z.ZodType<Word, string>; shouldBe: string } {
  const type = z.string().transform((text, context) => {
    const word = words.find((known) => known === text)
    if (word === undefined) context.addIssue('not one of the known words')
    return word ?? z.NEVER
  })
  return { type, shouldBe: `one of ${words.join(', ')}` }
}

/** A URL of one of these schemes with nothing behind its path; a slash at the end is dropped. */
function url(
  schemes: readonly string[],
  options: { credentials: boolean },
): { type: z.ZodType<string, string>; shouldBe: string } {
  const type = z
    .string()
    .refine((text) => {
      if (/\s/.test(text) || !URL.canParse(text)) return false
      const parsed = new URL(text)
      if (!schemes.includes(parsed.protocol.slice(0, -1)) || parsed.hostname === '') return false
      if (!options.credentials && (parsed.username !== '' || parsed.password !== '')) return false
      return parsed.search === '' && parsed.hash === ''
    })
    .transform((text) => text.replace(/\/+$/, ''))
  const without = options.credentials ? '' : ' without user and password'
  return { type, shouldBe: `a URL that starts with ${schemes.map((scheme) => `${scheme}://`).join(' or ')}${without}` }
}

const hostName = {
  shouldBe: 'an address of this machine or a host name',
  type: z.string().regex(/^[A-Za-z0-9._:-]{1,253}$/),
}

/** Standard Webhooks: `whsec_` and the base64 of 24 to 64 bytes. */
const webhookSecret = z.string().refine((text) => {
  const match = /^whsec_([A-Za-z0-9+/]+={0,2})$/.exec(text)
  if (match === null) return false
  const bytes = Buffer.from(match[1] ?? '', 'base64')
  return bytes.toString('base64') === match[1] && bytes.length >= 24 && bytes.length <= 64
})

const delays = z
  .string()
  .regex(/^[0-9]{1,9}(,[0-9]{1,9}){0,19}$/)
  .transform((text) => text.split(',').map(Number))
  .refine((list) => list.every((delayMs) => delayMs <= 7 * day))

/** Every variable that Cratework reads, in the order of the documentation. */
export const variables = {
  PORT: row({ default: '8080', meaning: 'port of the API; 0 takes a free one', ...whole(0, 65_535) }),
  HOST: row({
    default: '127.0.0.1',
    meaning: 'address that the API listens on (0.0.0.0 in the container image)',
    ...hostName,
  }),
  METRICS_PORT: row({
    defaultNote: '9464 for api, 9465 for worker',
    meaning:
      'port of `/metrics`, `/livez` and `/readyz` of this process; a default that is in use gives way to a free one',
    ...whole(0, 65_535),
  }),
  METRICS_HOST: row({
    default: '127.0.0.1',
    meaning: 'address of these (0.0.0.0 in the container image)',
    ...hostName,
  }),
  REDIS_URL: row({
    neededBy: ['api', 'worker'],
    defaultNote: 'embedded in up and demo',
    meaning: 'the Redis that runs the work; `rediss://` for TLS',
    shouldBe: 'a URL such as redis://localhost:6379 or rediss://user:password@host:6379/0',
    type: url(['redis', 'rediss'], { credentials: true }).type.refine((text) =>
      /^(\/[0-9]*)?$/.test(new URL(text).pathname),
    ),
  }),
  REDIS_PREFIX: row({
    default: '{cw}',
    meaning: 'prefix of all keys in Redis, with a hash tag, so that they lie in one slot of a Cluster',
    shouldBe: 'up to 64 letters, digits and . _ - : with one part in braces, such as {cw}',
    type: z
      .string()
      .max(64)
      .regex(/^[A-Za-z0-9._:-]*\{[A-Za-z0-9._:-]+\}[A-Za-z0-9._:-]*$/),
  }),
  S3_BUCKET: row({
    neededBy: ['api', 'worker'],
    defaultNote: 'embedded in up and demo',
    meaning: 'bucket of outputs and ledger; it must honour conditional writes',
    shouldBe: 'the name of a bucket: 3 to 63 letters, digits, dots and hyphens',
    type: z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{1,61}[A-Za-z0-9]$/),
  }),
  S3_ENDPOINT: row({
    defaultNote: 'AWS',
    meaning: 'S3 of another maker; credentials come from the AWS SDK’s own chain',
    ...url(['https', 'http'], { credentials: false }),
  }),
  S3_REGION: row({
    default: 'us-east-1',
    meaning: 'region that requests are signed for',
    shouldBe: 'a region such as us-east-1',
    type: z.string().regex(/^[A-Za-z0-9-]{1,64}$/),
  }),
  S3_FORCE_PATH_STYLE: row({
    default: 'false',
    meaning: 'put the bucket in the path and not in the host; most servers other than AWS want it',
    ...truth,
  }),
  S3_PREFIX: row({
    default: '',
    meaning: 'folder in the bucket that everything goes under',
    shouldBe: 'up to 64 letters, digits and . _ - / without an empty, . or .. part',
    type: z
      .string()
      .max(64)
      .regex(/^[A-Za-z0-9._/-]*$/)
      .transform((text) => (text === '' || text.endsWith('/') ? text : `${text}/`))
      .refine((text) =>
        text
          .split('/')
          .slice(0, -1)
          .every((part) => !['', '.', '..'].includes(part)),
      ),
  }),
  S3_PUBLIC_ENDPOINT: row({
    defaultNote: 'S3_ENDPOINT',
    meaning: 'host of presigned URLs, where clients reach S3 under another name than we do',
    ...url(['https', 'http'], { credentials: false }),
  }),
  RUNCRATE_API_KEY: row({
    neededBy: ['worker'],
    defaultNote: 'simulator in up and demo',
    secret: true,
    meaning: 'key of the provider; images are paid with it',
    shouldBe: 'a key without blanks',
    type: z.string().regex(/^[\x21-\x7e]{1,512}$/),
  }),
  RUNCRATE_BASE_URL: row({
    default: 'https://api.runcrate.ai/v1',
    meaning: 'where the provider is',
    ...url(['https', 'http'], { credentials: false }),
  }),
  RUNCRATE_RATE_LIMIT: row({
    defaultNote: 'learned',
    meaning: 'calls a minute for the key, of all workers together: the ceiling, which headers and 429s may lower',
    ...whole(1, 10_000_000),
  }),
  RUNCRATE_TIMEOUT_MS: row({ default: '120000', meaning: 'longest time for one whole call', ...whole(1_000, 900_000) }),
  WORKER_CONCURRENCY: row({ default: '50', meaning: 'most items at once in one worker process', ...whole(1, 1_000) }),
  WORKER_LOCK_MS: row({
    default: '8000',
    meaning:
      'a worker that has not been heard of for three quarters of this is taken for dead; what it held goes on within this + 2 s',
    ...whole(1_000, 600_000),
  }),
  SWEEP_INTERVAL_MS: row({ default: '15000', meaning: 'how often the safety nets run', ...whole(100, 3_600_000) }),
  ITEM_MAX_ATTEMPTS: row({
    default: '8',
    meaning: 'calls of one image that were answered or may have been',
    ...whole(1, 20),
  }),
  RETRY_UNKNOWN: row({
    default: 'true',
    meaning: 'whether an image whose call may have been charged is called once more',
    ...truth,
  }),
  SHUTDOWN_GRACE_MS: row({
    defaultNote: 'RUNCRATE_TIMEOUT_MS + 10000',
    meaning: 'after SIGTERM, what is in flight is finished within this; a second signal ends at once',
    ...whole(0, 3_600_000),
  }),
  CRATEWORK_API_KEY: row({
    neededBy: ['api'],
    defaultNote: 'made and printed in up and demo',
    secret: true,
    meaning: 'the first key: tenant `default`, all scopes',
    shouldBe: 'at least 32 characters without blanks',
    type: z.string().regex(/^[\x21-\x7e]{32,512}$/),
  }),
  CRATEWORK_SECRET: row({
    defaultNote: 'none: nothing needs it yet',
    secret: true,
    meaning: 'encrypts secrets at rest',
    shouldBe: 'at least 32 characters',
    type: z.string().min(32),
  }),
  CRATEWORK_PUBLIC_URL: row({
    defaultNote: 'http://HOST:PORT',
    meaning: 'where clients reach the API; for links in payloads',
    ...url(['https', 'http'], { credentials: false }),
  }),
  WEBHOOK_ALLOW_HTTP: row({
    default: 'false',
    defaultNote: 'false (true in up and demo)',
    meaning: 'let deliveries go to http',
    ...truth,
  }),
  WEBHOOK_ALLOW_PRIVATE: row({
    default: 'false',
    defaultNote: 'false (true in up and demo)',
    meaning: 'let deliveries go to private addresses',
    ...truth,
  }),
  WEBHOOK_SECRET: row({
    defaultNote: 'none (made in up and demo)',
    secret: true,
    meaning: 'signs deliveries to a batch’s own `webhook.url`; without it such a batch is refused',
    shouldBe: 'whsec_ and the base64 of 24 to 64 bytes',
    type: webhookSecret,
  }),
  WEBHOOK_RETRY_SCHEDULE_MS: row({
    default: '0,5000,300000,1800000,7200000,18000000,36000000,50400000,72000000,86400000,86400000,86400000',
    meaning: 'delay before each attempt of a delivery, in milliseconds',
    shouldBe: '1 to 20 whole numbers of milliseconds with commas between, each up to 604800000',
    type: delays,
  }),
  LOG_LEVEL: row({
    default: 'info',
    meaning: 'how much is logged',
    ...oneOf('trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'),
  }),
  LOG_FORMAT: row({
    defaultNote: 'json (pretty on a terminal)',
    meaning: 'how it is logged',
    ...oneOf('json', 'pretty'),
  }),
} satisfies Record<string, Variable>

export type VariableName = keyof typeof variables

/** What a variable holds once it is checked. */
export type ValueOf<Name extends VariableName> = z.output<(typeof variables)[Name]['type']>

/** Planned and not built yet: refused, since to ignore them would be to connect to the wrong place. */
export const notBuiltYet: Readonly<Record<string, string>> = {
  REDIS_CLUSTER_NODES: 'Redis Cluster is not supported yet; give one node in REDIS_URL',
  REDIS_SENTINELS: 'Redis Sentinel is not supported yet; give the primary in REDIS_URL',
  REDIS_SENTINEL_NAME: 'Redis Sentinel is not supported yet; give the primary in REDIS_URL',
  OTEL_EXPORTER_OTLP_ENDPOINT: 'OpenTelemetry is not supported yet; METRICS_PORT has Prometheus metrics',
}

/** Names with our prefixes that are not read here. */
export const readElsewhere: readonly string[] = ['CRATEWORK_URL']
