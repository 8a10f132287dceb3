import { describe, expect, it } from 'vitest'
import { loadConfig } from '../../../src/shared/config/load.ts'
import { filledIn, missingParts } from '../../../src/dev/embedded.ts'

const secrets = {
  apiKey: 'cw_made_key_made_key_made_key_made_key',
  secret: 'made secret of more than thirty-two letters',
  webhookSecret: `whsec_${Buffer.alloc(32).toString('base64')}`,
  accessKeyId: 'CW0123456789ABCDEF',
  secretAccessKey: 'secret access key of forty letters or so',
}
const urls = { redis: 'redis://127.0.0.1:1', s3: 'http://127.0.0.1:2', provider: 'http://127.0.0.1:3/v1' }
const own = {
  REDIS_URL: 'redis://shop:6379',
  S3_BUCKET: 'shop-images',
  RUNCRATE_API_KEY: 'rc_live_shop',
}

function filled(command: 'up' | 'demo', env: Record<string, string>) {
  return filledIn(env, { command, missing: missingParts(env), urls, secrets })
}

describe('what is embedded', () => {
  it('is what is not configured; empty counts as unset', () => {
    expect(missingParts({})).toEqual({ redis: true, s3: true, provider: true })
    expect(missingParts({ REDIS_URL: '', S3_BUCKET: '', RUNCRATE_API_KEY: '' })).toEqual(missingParts({}))
    expect(missingParts(own)).toEqual({ redis: false, s3: false, provider: false })
  })

  it('is never the other half of what was half configured: that is a fault that names it', () => {
    const env = { S3_ENDPOINT: 'https://s3.example', RUNCRATE_BASE_URL: 'https://runcrate.example/v1' }
    const loaded = loadConfig(filled('up', env), ['api', 'worker'])
    expect('faults' in loaded && loaded.faults.map((fault) => fault.split(' ')[0])).toEqual([
      'S3_BUCKET',
      'RUNCRATE_API_KEY',
    ])
  })

  it('makes an empty environment a whole configuration', () => {
    const loaded = loadConfig(filled('demo', {}), ['api', 'worker'])
    expect(loaded).toMatchObject({
      warnings: [],
      config: {
        redisUrl: urls.redis,
        redisPrefix: '{cw}',
        s3: { bucket: 'cratework', endpoint: urls.s3, forcePathStyle: true, prefix: '' },
        provider: { baseUrl: urls.provider },
        apiKey: secrets.apiKey,
        webhook: { secret: secrets.webhookSecret, allowHttp: true, allowPrivate: true },
      },
    })
  })

  it('lets what was set stand, and up on all that is configured changes no place', () => {
    const env = {
      ...own,
      CRATEWORK_API_KEY: 'k'.repeat(32),
      WEBHOOK_SECRET: `whsec_${Buffer.alloc(24, 1).toString('base64')}`,
      WEBHOOK_ALLOW_HTTP: 'false',
      S3_PREFIX: 'images',
    }
    expect(filled('up', env)).toMatchObject(env)
    expect(filled('up', env)).not.toHaveProperty('REDIS_PREFIX')
  })

  it('keeps a configured Redis and bucket apart from what belongs to the shop', () => {
    const simulated = { REDIS_URL: own.REDIS_URL, S3_BUCKET: own.S3_BUCKET }
    const places = (command: 'up' | 'demo', env: Record<string, string>) => {
      const { REDIS_PREFIX, S3_PREFIX } = filled(command, env)
      return [REDIS_PREFIX, S3_PREFIX]
    }
    expect(places('up', simulated)).toEqual(['{cw}:up-simulator', 'up-simulator/'])
    expect(places('demo', simulated)).toEqual(['{cw}:demo-simulator', 'demo-simulator/'])
    expect(places('demo', own)).toEqual(['{cw}:demo-runcrate', 'demo-runcrate/'])
    expect(places('demo', { ...simulated, REDIS_PREFIX: '{shop}', S3_PREFIX: 'a/b' })).toEqual([
      '{shop}:demo-simulator',
      'a/b/demo-simulator/',
    ])
    expect('config' in loadConfig(filled('demo', simulated), ['api', 'worker'])).toBe(true)
  })

  it('on an embedded bucket, a configured Redis is not the one of another bucket', () => {
    const { S3_BUCKET: _, ...withoutBucket } = own
    expect(filled('up', withoutBucket)['REDIS_PREFIX']).toBe('{cw}:up-runcrate')
  })
})
