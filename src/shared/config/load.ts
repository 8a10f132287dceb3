import type { Config } from './config.ts'
import { nearestName } from './nearest-name.ts'
import { notBuiltYet, readElsewhere, variables } from './variables.ts'
import type { Role, ValueOf, Variable, VariableName } from './variables.ts'

export type Environment = Readonly<Record<string, string | undefined>>

/** `warnings`: names that look like ours and are not known, one sentence each, to be logged. */
export type LoadedConfig = { config: Config; warnings: string[] } | { faults: string[] }

const names = Object.keys(variables) as VariableName[]

/**
 * The only reader of the process's environment. `overrides` count before it; an empty text counts as unset everywhere.
 * Logs are pretty on a terminal unless LOG_FORMAT says otherwise.
 */
export function loadConfigFromEnvironment(roles: readonly Role[], overrides: Environment = {}): LoadedConfig {
  return loadConfig({ ...currentEnvironment(), ...overrides }, roles)
}

/** The environment of this process, for what starts others with it. LOG_FORMAT is filled in where it is not set. */
export function currentEnvironment(): Environment {
  const format = process.stdout.isTTY ? 'pretty' : 'json'
  return { ...process.env, LOG_FORMAT: process.env['LOG_FORMAT'] || format }
}

/** Checks an environment for a process of these roles: a configuration, or one sentence for each fault. */
export function loadConfig(env: Environment, roles: readonly Role[]): LoadedConfig {
  const faults: string[] = []
  const values: Partial<Record<VariableName, unknown>> = {}
  for (const name of names) {
    const variable: Variable = variables[name]
    const text = env[name] || variable.default
    if (text === undefined) {
      if (roles.some((role) => variable.neededBy.includes(role))) {
        faults.push(`${name} is not set; it should be ${variable.shouldBe} (${variable.meaning})`)
      }
      continue
    }
    const parsed = variable.type.safeParse(text)
    if (parsed.success) values[name] = parsed.data
    else faults.push(`${name} ${holds(variable, text)}; it should be ${variable.shouldBe}`)
  }
  for (const [name, why] of Object.entries(notBuiltYet)) {
    if (env[name]) faults.push(`${name} holds ${shown(env[name])}; it should be unset: ${why}`)
  }
  if (faults.length > 0) return { faults }
  return { config: configOf(values, roles), warnings: unknownNames(env) }
}

function configOf(values: Partial<Record<VariableName, unknown>>, roles: readonly Role[]): Config {
  // The table gave each value its type; a needed one that is missing was a fault before.
  const optional = <Name extends VariableName>(name: Name) => values[name] as ValueOf<Name> | undefined
  const value = <Name extends VariableName>(name: Name) => values[name] as ValueOf<Name>
  const metricsPort = optional('METRICS_PORT')
  return {
    port: value('PORT'),
    host: value('HOST'),
    metricsPort: {
      value: metricsPort ?? (roles.includes('api') ? 9464 : 9465),
      explicit: metricsPort !== undefined,
    },
    metricsHost: value('METRICS_HOST'),
    redisUrl: value('REDIS_URL'),
    redisPrefix: value('REDIS_PREFIX'),
    s3: {
      bucket: value('S3_BUCKET'),
      endpoint: optional('S3_ENDPOINT'),
      region: value('S3_REGION'),
      forcePathStyle: value('S3_FORCE_PATH_STYLE'),
      prefix: optional('S3_PREFIX') ?? '',
      publicEndpoint: optional('S3_PUBLIC_ENDPOINT'),
    },
    provider: {
      apiKey: optional('RUNCRATE_API_KEY') ?? '',
      baseUrl: value('RUNCRATE_BASE_URL'),
      rateLimit: optional('RUNCRATE_RATE_LIMIT'),
      timeoutMs: value('RUNCRATE_TIMEOUT_MS'),
    },
    worker: {
      concurrency: value('WORKER_CONCURRENCY'),
      lockMs: value('WORKER_LOCK_MS'),
      sweepIntervalMs: value('SWEEP_INTERVAL_MS'),
      itemMaxAttempts: value('ITEM_MAX_ATTEMPTS'),
      retryUnknown: value('RETRY_UNKNOWN'),
      shutdownGraceMs: optional('SHUTDOWN_GRACE_MS') ?? value('RUNCRATE_TIMEOUT_MS') + 10_000,
    },
    apiKey: optional('CRATEWORK_API_KEY') ?? '',
    publicUrl: optional('CRATEWORK_PUBLIC_URL') ?? `http://${inUrl(value('HOST'))}:${String(value('PORT'))}`,
    webhook: {
      allowHttp: value('WEBHOOK_ALLOW_HTTP'),
      allowPrivate: value('WEBHOOK_ALLOW_PRIVATE'),
      secret: optional('WEBHOOK_SECRET'),
      retryScheduleMs: value('WEBHOOK_RETRY_SCHEDULE_MS'),
    },
    log: { level: value('LOG_LEVEL'), format: optional('LOG_FORMAT') ?? 'json' },
  }
}

function inUrl(host: string): string {
  return host.includes(':') ? `[${host}]` : host
}

function holds(variable: Variable, text: string): string {
  return variable.secret ? `holds ${String(text.length)} characters (not shown)` : `holds ${shown(text)}`
}

/** In one line, and never with a URL's user, password or query: also not of one that cannot be parsed. */
function shown(text: string): string {
  const bare = text.replace(/([A-Za-z][A-Za-z0-9+.-]*:\/\/).*@/gs, '$1').replace(/\?.*$/s, '?...')
  return JSON.stringify(bare.length > 120 ? `${bare.slice(0, 120)}...` : bare)
}

const ourPrefixes = /^(?:CRATEWORK|RUNCRATE|WEBHOOK|WORKER|S3|REDIS)_/

function unknownNames(env: Environment): string[] {
  const known = new Set<string>([...names, ...readElsewhere])
  return Object.keys(env)
    .filter((name) => ourPrefixes.test(name) && !known.has(name))
    .map((name) => {
      const near = nearestName(name, names)
      return `${name} is set and is no variable of Cratework's${near === undefined ? '' : `; is ${near} meant?`}`
    })
}
