import type { Environment } from '../shared/config/load.ts'
import type { Secrets } from './secrets.ts'

/** Which parts are not configured, so that they are started here. An empty variable counts as unset. */
export interface Missing {
  readonly redis: boolean
  readonly s3: boolean
  /** The simulator takes the provider's place. */
  readonly provider: boolean
}

/** Where the parts that were started are reached. */
export interface EmbeddedUrls {
  readonly redis: string
  readonly s3: string
  readonly provider: string
}

export const embeddedBucket = 'cratework'
/** The simulator takes any key of Runcrate's shape. */
const simulatorKey = 'rc_live_simulator'

/** Reads from the environment what is missing. Half of a setting is none: the configuration's check names the other half. */
export function missingParts(env: Environment): Missing {
  return {
    redis: !env['REDIS_URL'],
    s3: !env['S3_BUCKET'] && !env['S3_ENDPOINT'],
    provider: !env['RUNCRATE_API_KEY'] && !env['RUNCRATE_BASE_URL'],
  }
}

/** Fills the gaps of an environment: the parts that were started, secrets, and webhooks to this machine. */
export function filledIn(
  env: Environment,
  {
    command,
    missing,
    urls,
    secrets,
  }: {
    readonly command: 'up' | 'demo'
    readonly missing: Missing
    readonly urls: EmbeddedUrls
    readonly secrets: Secrets
  },
): Environment {
  return {
    ...env,
    CRATEWORK_API_KEY: env['CRATEWORK_API_KEY'] || secrets.apiKey,
    CRATEWORK_SECRET: env['CRATEWORK_SECRET'] || secrets.secret,
    WEBHOOK_SECRET: env['WEBHOOK_SECRET'] || secrets.webhookSecret,
    WEBHOOK_ALLOW_HTTP: env['WEBHOOK_ALLOW_HTTP'] || 'true',
    WEBHOOK_ALLOW_PRIVATE: env['WEBHOOK_ALLOW_PRIVATE'] || 'true',
    ...(missing.provider ? { RUNCRATE_API_KEY: simulatorKey, RUNCRATE_BASE_URL: urls.provider } : {}),
    ...(missing.redis ? { REDIS_URL: urls.redis } : ownPlaceInRedis(env, command, missing)),
    ...(missing.s3 ? embeddedS3(urls.s3) : ownPlaceInS3(env, command, missing)),
  }
}

function embeddedS3(url: string): Environment {
  return { S3_BUCKET: embeddedBucket, S3_ENDPOINT: url, S3_PUBLIC_ENDPOINT: '', S3_FORCE_PATH_STYLE: 'true' }
}

// A configured Redis or bucket may be the one of a shop. Beside an embedded part the same keys would let this machine
// take the shop's batches, make its images with the simulator, and have them reused later as if they were real.

function ownPlaceInRedis(env: Environment, command: 'up' | 'demo', missing: Missing): Environment {
  if (command === 'up' && !missing.s3 && !missing.provider) return {}
  return { REDIS_PREFIX: `${env['REDIS_PREFIX'] || '{cw}'}:${placeName(command, missing)}` }
}

function ownPlaceInS3(env: Environment, command: 'up' | 'demo', missing: Missing): Environment {
  if (command === 'up' && !missing.provider) return {}
  const prefix = env['S3_PREFIX'] ?? ''
  const folder = prefix === '' || prefix.endsWith('/') ? prefix : `${prefix}/`
  return { S3_PREFIX: `${folder}${placeName(command, missing)}/` }
}

function placeName(command: 'up' | 'demo', missing: Missing): string {
  return `${command}-${providerName(missing)}`
}

/** Names what belongs to the one and not to the other: what is simulated and what is real share no state. */
export function providerName(missing: Missing): 'simulator' | 'runcrate' {
  return missing.provider ? 'simulator' : 'runcrate'
}
