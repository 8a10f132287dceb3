import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3'
import type { StartedTestContainer } from 'testcontainers'
import { dockerAnswers } from '../../src/dev/docker.ts'
import { startStack } from '../../src/dev/stack.ts'
import { eventually } from './eventually.ts'

export interface TestS3 {
  readonly endpoint: string
  readonly region: string
  readonly accessKeyId: string
  readonly secretAccessKey: string
  readonly forcePathStyle: boolean
}

export interface TestStack {
  readonly redisUrl: string
  readonly s3: TestS3
  /** Says in a line what the tests of this run stand on. */
  readonly description: string
  stop(): Promise<void>
}

const credentials = { accessKeyId: 'cratework-test', secretAccessKey: 'cratework-test-secret' }
const images = { redis: 'redis:7.4-alpine', s3: 'chrislusf/seaweedfs:4.47' }

/**
 * The Redis and the S3 of a test run: those that TEST_REDIS_URL and TEST_S3_ENDPOINT name, else containers where a Docker
 * engine answers, else local ones. CRATEWORK_TEST_STACK=docker or local forces one; docker without an engine throws.
 */
export async function startTestStack(env: NodeJS.ProcessEnv, say: (line: string) => void): Promise<TestStack> {
  const useDocker = await wantsDocker(env)
  const givenRedis = env.TEST_REDIS_URL
  const givenS3 = s3Given(env)
  const parts = useDocker
    ? await startContainers(givenRedis === undefined, givenS3 === undefined)
    : await startLocal(givenRedis === undefined, givenS3 === undefined, say)
  const redisUrl = givenRedis ?? parts.redisUrl
  const s3 = givenS3 ?? parts.s3
  if (redisUrl === undefined || s3 === undefined) throw new Error('a part of the test stack did not start')
  const kind = useDocker ? 'container' : 'local program'
  const redisKind = givenRedis === undefined ? `${kind}${useDocker ? ` ${images.redis}` : ''}` : 'given'
  const s3Kind =
    givenS3 === undefined ? (useDocker ? `${kind} ${images.s3}` : 'embedded server of src/dev/s3') : 'given'
  const description = `test stack: Redis ${redisKind} at ${withoutPassword(redisUrl)}, S3 ${s3Kind} at ${s3.endpoint}`
  return { redisUrl, s3, description, stop: parts.stop }
}

/** Makes a bucket; throws when it exists. */
export async function makeBucket(s3: TestS3, bucket: string): Promise<void> {
  const client = openTestS3(s3)
  await client.send(new CreateBucketCommand({ Bucket: bucket }))
  client.destroy()
}

/** A client for the S3 of the tests, for what a test itself puts and looks at. */
function openTestS3(s3: TestS3): S3Client {
  const { endpoint, region, forcePathStyle, accessKeyId, secretAccessKey } = s3
  return new S3Client({ endpoint, region, forcePathStyle, credentials: { accessKeyId, secretAccessKey } })
}

interface Parts {
  readonly redisUrl: string | undefined
  readonly s3: TestS3 | undefined
  stop(): Promise<void>
}

async function wantsDocker(env: NodeJS.ProcessEnv): Promise<boolean> {
  const asked = env.CRATEWORK_TEST_STACK
  if (asked === 'local') return false
  if (asked !== undefined && asked !== 'docker')
    throw new Error(`CRATEWORK_TEST_STACK is ${asked}, not local or docker`)
  const answers = await dockerAnswers(env)
  if (asked === 'docker' && !answers) throw new Error('CRATEWORK_TEST_STACK=docker, but no Docker engine answers')
  return answers
}

function s3Given(env: NodeJS.ProcessEnv): TestS3 | undefined {
  const endpoint = env.TEST_S3_ENDPOINT
  if (endpoint === undefined) return undefined
  const accessKeyId = env.TEST_S3_ACCESS_KEY_ID
  const secretAccessKey = env.TEST_S3_SECRET_ACCESS_KEY
  if (accessKeyId === undefined || secretAccessKey === undefined) {
    throw new Error('TEST_S3_ENDPOINT needs TEST_S3_ACCESS_KEY_ID and TEST_S3_SECRET_ACCESS_KEY beside it')
  }
  const forcePathStyle = env.TEST_S3_FORCE_PATH_STYLE !== 'false'
  return { endpoint, region: env.TEST_S3_REGION ?? 'us-east-1', accessKeyId, secretAccessKey, forcePathStyle }
}

async function startLocal(needsRedis: boolean, needsS3: boolean, say: (line: string) => void): Promise<Parts> {
  const folder = await mkdtemp(join(tmpdir(), 'stack-'))
  const stack = await startStack({
    folder,
    say,
    ...(needsRedis ? { redis: {} } : {}),
    ...(needsS3 ? { s3: { bucket: 'cratework-test', ...credentials } } : {}),
  })
  return {
    redisUrl: stack.redis?.url,
    s3: stack.s3 && localS3(stack.s3.url),
    stop: async () => {
      await stack.stop()
      await rm(folder, { recursive: true, force: true })
    },
  }
}

async function startContainers(needsRedis: boolean, needsS3: boolean): Promise<Parts> {
  const started: StartedTestContainer[] = []
  const stop = async (): Promise<void> => {
    await Promise.all(started.map(async (container) => container.stop()))
  }
  try {
    const redis = needsRedis ? await startRedisContainer() : undefined
    if (redis !== undefined) started.push(redis)
    const s3 = needsS3 ? await startS3Container() : undefined
    if (s3 !== undefined) started.push(s3)
    return {
      redisUrl: redis && `redis://${redis.getHost()}:${String(redis.getMappedPort(6379))}`,
      s3: s3 && localS3(`http://${s3.getHost()}:${String(s3.getMappedPort(8333))}`),
      stop,
    }
  } catch (error) {
    await stop()
    throw error
  }
}

async function startRedisContainer(): Promise<StartedTestContainer> {
  const { GenericContainer, Wait } = await import('testcontainers') // 3 s to import, so only where there is an engine
  return new GenericContainer(images.redis)
    .withCommand(['redis-server', '--appendonly', 'yes', '--save', '', '--maxmemory-policy', 'noeviction'])
    .withExposedPorts(6379)
    .withWaitStrategy(Wait.forLogMessage(/Ready to accept connections/))
    .start()
}

async function startS3Container(): Promise<StartedTestContainer> {
  const { GenericContainer } = await import('testcontainers')
  const container = await new GenericContainer(images.s3)
    .withEnvironment({ AWS_ACCESS_KEY_ID: credentials.accessKeyId, AWS_SECRET_ACCESS_KEY: credentials.secretAccessKey })
    .withCommand(['mini', '-dir=/data', '-ip.bind=0.0.0.0', '-s3.port=8333'])
    .withExposedPorts(8333)
    .start()
  // Its port opens before its store takes anything.
  const s3 = localS3(`http://${container.getHost()}:${String(container.getMappedPort(8333))}`)
  await eventually(async () => makeBucket(s3, 'is-it-ready').then(() => true), {
    withinMs: 60_000,
    what: 'SeaweedFS to make a bucket',
  })
  return container
}

function localS3(endpoint: string): TestS3 {
  return { endpoint, region: 'us-east-1', ...credentials, forcePathStyle: true }
}

function withoutPassword(url: string): string {
  const { protocol, host } = new URL(url)
  return `${protocol}//${host}`
}
