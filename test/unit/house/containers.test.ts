import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { z } from 'zod'
import { variables } from '../../../src/shared/config/variables.ts'

// There may be no engine where the tests run: what can be said about the container files without one.

const root = join(import.meta.dirname, '..', '..', '..')

const service = z.looseObject({
  image: z.string(),
  build: z.object({ context: z.string(), target: z.string() }).optional(),
  command: z.array(z.string()).optional(),
  environment: z.record(z.string(), z.string()).optional(),
  ports: z.array(z.string()).optional(),
  volumes: z.array(z.string()).optional(),
  healthcheck: z.looseObject({ test: z.array(z.string()) }).optional(),
  depends_on: z.record(z.string(), z.object({ condition: z.string() })).optional(),
  stop_grace_period: z.string().optional(),
})
const compose = z
  .object({
    name: z.string(),
    'x-cratework': z.unknown(),
    services: z.record(z.string(), service),
    volumes: z.record(z.string(), z.null()),
  })
  .parse(parse(readFileSync(join(root, 'docker-compose.yml'), 'utf8'), { merge: true }))
const { services } = compose
const dockerfile = readFileSync(join(root, 'Dockerfile'), 'utf8')

function named(name: string): z.infer<typeof service> {
  const found = services[name]
  if (found === undefined) throw new Error(`no service ${name}`)
  return found
}

describe('docker-compose.yml', () => {
  it('has Redis, S3, API, worker and simulator, each with a health check', () => {
    expect(Object.keys(services).toSorted()).toEqual(['api', 'redis', 's3', 'simulator', 'worker'])
    for (const { healthcheck } of Object.values(services)) expect(healthcheck?.test[0]).toMatch(/^CMD(-SHELL)?$/)
  })

  it('names in the environment only what the configuration knows', () => {
    const known = new Set([...Object.keys(variables), 'AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY'])
    const used = Object.values(services).flatMap(({ environment }) => Object.keys(environment ?? {}))
    expect(used.filter((name) => !known.has(name))).toEqual([])
  })

  it('hands every variable to some role, but for those that the image or the network fixes', () => {
    const given = new Set(['api', 'worker'].flatMap((role) => Object.keys(named(role).environment ?? {})))
    const fixed = new Set(['PORT', 'HOST', 'METRICS_PORT', 'METRICS_HOST', 'S3_REGION'])
    expect(Object.keys(variables).filter((name) => !given.has(name) && !fixed.has(name))).toEqual([])
  })

  it('starts without any variable set', () => {
    const references = [...readFileSync(join(root, 'docker-compose.yml'), 'utf8').matchAll(/(?<!\$)\$\{([^}]*)\}/g)]
    expect(references.length).toBeGreaterThan(10)
    expect(references.map((match) => match[1]).filter((text) => !text?.includes(':-'))).toEqual([])
  })

  it('gives each role what it does not start without', () => {
    for (const role of ['api', 'worker'] as const) {
      const needed = Object.entries(variables).filter(([, variable]) => variable.neededBy.some((one) => one === role))
      expect(Object.keys(named(role).environment ?? {})).toEqual(expect.arrayContaining(needed.map(([name]) => name)))
    }
  })

  it('leaves more time to stop than a drain takes', () => {
    const graceMs = Number(variables.RUNCRATE_TIMEOUT_MS.default) + 10_000
    for (const role of ['api', 'worker']) {
      const seconds = /^(\d+)s$/.exec(named(role).stop_grace_period ?? '')?.[1]
      expect(Number(seconds) * 1000).toBeGreaterThan(graceMs)
    }
  })

  it('lets workers be many: no port and no name of their own', () => {
    expect(named('worker').ports).toBeUndefined()
    expect(named('worker')).not.toHaveProperty('container_name')
  })

  it('publishes ports to this machine alone', () => {
    const ports = Object.values(services).flatMap((one) => one.ports ?? [])
    expect(ports).toHaveLength(2)
    expect(ports.filter((port) => !port.startsWith('127.0.0.1:'))).toEqual([])
  })

  it('keeps what Redis and S3 hold, and evicts nothing', () => {
    expect(named('redis').command?.join(' ')).toContain('--appendonly yes --appendfsync everysec')
    expect(named('redis').command?.join(' ')).toContain('--maxmemory-policy noeviction')
    for (const name of ['redis', 's3']) {
      expect(named(name).volumes).toEqual([`${name}:/data`])
      expect(compose.volumes).toHaveProperty(name)
    }
  })

  it('waits for what a role needs, and makes the bucket that it names', () => {
    const healthy = { condition: 'service_healthy' }
    expect(named('api').depends_on).toEqual({ redis: healthy, s3: healthy })
    expect(named('worker').depends_on).toEqual({ redis: healthy, s3: healthy, simulator: healthy })
    expect(named('s3').command).toContain(`-bucket=${named('api').environment?.S3_BUCKET ?? ''}`)
  })

  it('pins the images of others, with an S3 whose conditional writes hold', () => {
    const others = Object.values(services).filter(({ build }) => build === undefined)
    for (const { image } of others) expect(image).toMatch(/^[a-z/]+:\d+\.\d+/)
    expect(Number(named('s3').image.split(':')[1])).toBeGreaterThanOrEqual(4.41)
  })

  it('builds targets that the Dockerfile has', () => {
    const stages = [...dockerfile.matchAll(/^FROM \S+ AS (\S+)$/gm)].map((match) => match[1])
    const targets = Object.values(services).flatMap(({ build }) => build?.target ?? [])
    expect(targets.length).toBeGreaterThan(0)
    expect(stages).toEqual(expect.arrayContaining(targets))
  })
})

describe('the Dockerfile', () => {
  const stages = dockerfile.split(/^FROM /m).slice(1)

  it('ends with the product, which holds nothing of src/dev', () => {
    expect(stages.at(-1)).toMatch(/^base AS cratework\n/)
    expect(stages.at(-1)).toContain('COPY --from=product /app/dist dist')
    expect(dockerfile).toMatch(/^FROM build AS product\nRUN rm -rf dist\/dev$/m)
  })

  it('runs as nobody special, listens on all addresses and knows its health', () => {
    expect(stages.find((stage) => stage.includes(' AS base\n'))).toContain('\nUSER node\n')
    expect(stages.at(-1)).toContain('ENV HOST=0.0.0.0 METRICS_HOST=0.0.0.0')
    expect(stages.at(-1)).toMatch(/HEALTHCHECK [\s\S]*\/livez/)
  })

  it('pins its Node, runs no scripts of packages and takes no development packages along', () => {
    const bases = [...dockerfile.matchAll(/^FROM (\S+)/gm)]
      .map((match) => match[1])
      .filter((from) => from?.includes(':'))
    expect(new Set(bases)).toEqual(new Set(['node:24.21.0-slim']))
    expect(dockerfile.match(/npm ci .*/g)).toEqual(['npm ci --ignore-scripts', 'npm ci --ignore-scripts --omit=dev'])
  })
})
