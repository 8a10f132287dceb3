import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { inject } from 'vitest'
import { dockerAnswers } from '../../../src/dev/docker.ts'
import { startS3 } from '../../../src/dev/s3/server.ts'
import { makeBucket } from '../../support/stack.ts'

/** An S3 that the checks run against. */
export interface Target {
  readonly name: string
  readonly endpoint: string
  readonly region: string
  readonly credentials: { readonly accessKeyId: string; readonly secretAccessKey: string }
  readonly bucket: string
  readonly forcePathStyle: boolean
  /** Our embedded server: checks of what others may do otherwise run only here. */
  readonly own: boolean
  readonly quirks: readonly Quirk[]
}

/** In what an S3 is known to differ from AWS. Nothing of ours relies on these, or takes both answers. */
export type Quirk = 'short names' | 'no object beside its folder' | 'folder order' | 'missing key is 412'

/**
 * Source: SeaweedFS 4.44, read and not run. A part of a key is a file name, up to 255 bytes (weed/filer/filer.go); a key
 * is a file or a folder (ErrExistingObjectIsFile); keys are listed folder by folder (weed/s3api/s3api_object_handlers_list.go);
 * If-Match on nothing is PreconditionFailed (validateConditionalHeaders, checkDeleteIfMatch).
 */
const seaweedQuirks: readonly Quirk[] = [
  'short names',
  'no object beside its folder',
  'folder order',
  'missing key is 412',
]

export interface Targets {
  readonly targets: readonly Target[]
  stop(): Promise<void>
}

/** The embedded server always; beside it the S3 of this test run, where that is a container or given by TEST_S3_*. */
export async function openTargets(): Promise<Targets> {
  const folder = await mkdtemp(join(tmpdir(), 's3-conformance-'))
  const credentials = { accessKeyId: 'conformance', secretAccessKey: randomBytes(16).toString('hex') }
  const bucket = 'conformance'
  const server = await startS3({ folder, port: 0, ...credentials, buckets: [bucket] })
  const { endpoint } = server
  const own = {
    name: 'embedded',
    endpoint,
    region: 'eu-north-1',
    credentials,
    bucket,
    forcePathStyle: true,
    own: true,
    quirks: [],
  }
  const other = await otherTarget(process.env)
  return {
    targets: other === undefined ? [own] : [own, other],
    async stop() {
      await server.stop()
      await rm(folder, { recursive: true, force: true })
    },
  }
}

async function otherTarget(env: NodeJS.ProcessEnv): Promise<Target | undefined> {
  const given = env['TEST_S3_ENDPOINT'] !== undefined
  const inContainer = !given && env['CRATEWORK_TEST_STACK'] !== 'local' && (await dockerAnswers(env))
  if (!given && !inContainer) return undefined
  const s3 = inject('s3')
  const bucket = env['TEST_S3_BUCKET'] ?? `conformance-${randomBytes(6).toString('hex')}`
  if (env['TEST_S3_BUCKET'] === undefined) await makeBucket(s3, bucket)
  const { endpoint, region, forcePathStyle, accessKeyId, secretAccessKey } = s3
  const name = given ? `given at ${new URL(endpoint).host}` : 'SeaweedFS'
  const quirks = given ? [] : seaweedQuirks
  const credentials = { accessKeyId, secretAccessKey }
  return { name, endpoint, region, credentials, bucket, forcePathStyle, own: false, quirks }
}
