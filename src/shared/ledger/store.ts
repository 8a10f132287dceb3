import {
  DeleteObjectCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
} from '@aws-sdk/client-s3'
import { Upload } from '@aws-sdk/lib-storage'
import { getSignedUrl } from '@aws-sdk/s3-request-presigner'
import { Readable } from 'node:stream'
import type { Config } from '../config/config.ts'
import type { Clock } from '../process/clock.ts'
import type { Random } from '../process/random.ts'
import { signByKnownHash } from './known-hash.ts'
import { isConditionFailed, isMissing, storeFailure } from './store-errors.ts'

/** The condition of a write did not hold: somebody else wrote first. Read, merge, decide again. */
export class StoreConflict extends Error {
  readonly key: string

  constructor(key: string) {
    super(`another writer was first at ${key}`)
    this.name = 'StoreConflict'
    this.key = key
  }
}

export interface ObjectHead {
  readonly etag: string
  readonly bytes: number
  readonly contentType: string
  readonly metadata: Readonly<Record<string, string>>
}

export interface StoredObject extends ObjectHead {
  readonly body: Buffer
}

/** Every write says what it expects to find: nothing, or exactly what it read. */
export type WriteCondition = 'absent' | { readonly etag: string }

export interface PutOptions {
  readonly condition: WriteCondition
  readonly contentType: string
  readonly metadata?: Readonly<Record<string, string>> | undefined
  readonly cacheControl?: string | undefined
  /** SHA-256 of the body where it is known already; S3 refuses bytes that do not match. */
  readonly sha256?: Buffer | undefined
  readonly deadlineMs?: number | undefined
}

/**
 * The one door to S3. Keys are without `S3_PREFIX`. Each call is tried up to three times with jitter within its
 * deadline; then it throws a `Failure` of class `storage_closed`. The SDK itself does not retry.
 */
export interface Store {
  /** The key as the bucket has it, `S3_PREFIX` included. */
  fullKey(key: string): string
  /** The other way round. */
  ownKey(fullKey: string): string
  get(key: string, deadlineMs?: number): Promise<StoredObject | undefined>
  head(key: string, deadlineMs?: number): Promise<ObjectHead | undefined>
  /** Throws `StoreConflict` where the condition does not hold. */
  put(key: string, body: Buffer | string, options: PutOptions): Promise<{ etag: string }>
  /** As `put`, for a body of any length, in parts of 8 MiB. Not retried: the source cannot be read twice. */
  putStream(key: string, body: AsyncIterable<Buffer | string>, options: PutOptions): Promise<void>
  remove(key: string, deadlineMs?: number): Promise<void>
  /** Keys below a prefix in byte order, at most `limit` (1,000) of them, behind `after`; and when each was last written. */
  list(
    prefix: string,
    options?: { after?: string; limit?: number; deadlineMs?: number },
  ): Promise<{ keys: string[]; modifiedMs: number[]; more: boolean }>
  /** A link that lets anybody read the object for so many seconds. */
  presign(key: string, seconds: number): Promise<string>
  close(): void
}

const triesMax = 3

export interface StoreParts {
  readonly clock: Clock
  readonly random: Random
  /** How long a call may take in all: 1,500 ms in requests, 10,000 ms in uploads and workers. */
  readonly deadlineMs: number
}

export function openStore(config: Config['s3'], { clock, random, deadlineMs: defaultDeadlineMs }: StoreParts): Store {
  const client = newClient(config, config.endpoint)
  const publicClient = config.publicEndpoint === undefined ? client : newClient(config, config.publicEndpoint)
  // An upload in parts takes no signal for a part: this many times a call's deadline ends one that hangs.
  const streamClient = newClient(config, config.endpoint, 3 * defaultDeadlineMs)
  const fullKey = (key: string): string => config.prefix + key
  const at = (key: string): { Bucket: string; Key: string } => ({ Bucket: config.bucket, Key: fullKey(key) })

  /** Runs a call up to three times; `again` is true on the second and third. */
  async function tried<T>(
    deadlineMs: number | undefined,
    call: (signal: AbortSignal, again: boolean) => Promise<T>,
  ): Promise<T> {
    const endsAt = clock.monotonic() + (deadlineMs ?? defaultDeadlineMs)
    for (let attempt = 1; ; attempt += 1) {
      const leftMs = Math.max(1, endsAt - clock.monotonic())
      try {
        // A hung try must leave room for another one.
        return await call(AbortSignal.timeout(Math.ceil(leftMs / (triesMax + 1 - attempt))), attempt > 1)
      } catch (error) {
        if (isMissing(error) || isConditionFailed(error) || error instanceof StoreConflict) throw error
        const failure = storeFailure(error)
        const pauseMs = 50 * 2 ** attempt * (0.5 + random.number() / 2)
        if (!failure.again || attempt === triesMax || clock.monotonic() + pauseMs >= endsAt) throw failure.failure
        await clock.sleep(pauseMs)
      }
    }
  }

  async function orUndefined<T>(call: Promise<T>): Promise<T | undefined> {
    try {
      return await call
    } catch (error) {
      if (isMissing(error)) return undefined
      throw error
    }
  }

  async function head(key: string, deadlineMs?: number): Promise<ObjectHead | undefined> {
    const answer = await orUndefined(
      tried(deadlineMs, (abortSignal) => client.send(new HeadObjectCommand(at(key)), { abortSignal })),
    )
    return answer === undefined ? undefined : headOf(answer)
  }

  return {
    fullKey,
    ownKey: (full) => (full.startsWith(config.prefix) ? full.slice(config.prefix.length) : full),
    head,
    async get(key, deadlineMs) {
      const answer = await orUndefined(
        tried(deadlineMs, async (abortSignal) => {
          const found = await client.send(new GetObjectCommand(at(key)), { abortSignal })
          return { found, body: Buffer.from((await found.Body?.transformToByteArray()) ?? []) }
        }),
      )
      return answer === undefined ? undefined : { ...headOf(answer.found), body: answer.body }
    },

    async put(key, body, options) {
      const bytes = typeof body === 'string' ? Buffer.from(body) : body
      const writer = random.bytes(9).toString('base64url')
      try {
        return await tried(options.deadlineMs, async (abortSignal, again) => {
          try {
            const answer = await client.send(
              new PutObjectCommand({ ...at(key), ...writeFields(options, writer), Body: bytes }),
              { abortSignal },
            )
            return { etag: answer.ETag ?? '' }
          } catch (error) {
            // The 200 of an earlier try may have been lost: then what stands there is our own.
            if (!again || !isConditionFailed(error)) throw error
            const found = await client.send(new HeadObjectCommand(at(key)), { abortSignal })
            if (found.Metadata?.['writer'] !== writer) throw error
            return { etag: found.ETag ?? '' }
          }
        })
      } catch (error) {
        // AWS answers If-Match on a key that is gone with 404: the condition does not hold.
        if (isConditionFailed(error) || isMissing(error)) throw new StoreConflict(key)
        throw error
      }
    },

    async putStream(key, body, options) {
      const writer = random.bytes(9).toString('base64url')
      let sourceFault: Error | undefined
      async function* source(): AsyncIterable<Buffer | string> {
        try {
          yield* body
        } catch (error) {
          sourceFault = error instanceof Error ? error : new Error(String(error))
          throw error
        }
      }
      const upload = new Upload({
        client: streamClient,
        params: { ...at(key), ...writeFields(options, writer), Body: Readable.from(source(), { objectMode: false }) },
        partSize: 8 * 1024 * 1024,
        queueSize: 2,
      })
      try {
        await upload.done()
      } catch (error) {
        if (sourceFault !== undefined) throw sourceFault
        if (isConditionFailed(error) || isMissing(error)) throw new StoreConflict(key)
        throw storeFailure(error).failure
      }
    },

    async remove(key, deadlineMs) {
      await orUndefined(
        tried(deadlineMs, (abortSignal) => client.send(new DeleteObjectCommand(at(key)), { abortSignal })),
      )
    },

    async list(prefix, { after, limit, deadlineMs } = {}) {
      const answer = await tried(deadlineMs, (abortSignal) =>
        client.send(
          new ListObjectsV2Command({
            Bucket: config.bucket,
            Prefix: fullKey(prefix),
            MaxKeys: limit ?? 1000,
            ...(after === undefined ? {} : { StartAfter: fullKey(after) }),
          }),
          { abortSignal },
        ),
      )
      const found = answer.Contents ?? []
      return {
        keys: found.map(({ Key }) => (Key ?? '').slice(config.prefix.length)),
        modifiedMs: found.map(({ LastModified }) => LastModified?.getTime() ?? 0),
        more: answer.IsTruncated === true,
      }
    },

    presign: (key, seconds) => getSignedUrl(publicClient, new GetObjectCommand(at(key)), { expiresIn: seconds }),

    close() {
      for (const one of [client, publicClient, streamClient]) one.destroy()
    },
  }
}

function newClient(config: Config['s3'], endpoint: string | undefined, requestMsMax = 0): S3Client {
  // Other makers' S3 refuse the checksums that the SDK adds by itself (aws-sdk-js-v3 3.729 and later).
  const checksums = endpoint === undefined ? 'WHEN_SUPPORTED' : 'WHEN_REQUIRED'
  const client = new S3Client({
    region: config.region,
    forcePathStyle: config.forcePathStyle,
    maxAttempts: 1,
    requestChecksumCalculation: checksums,
    responseChecksumValidation: checksums,
    requestHandler: {
      connectionTimeout: 3000,
      requestTimeout: requestMsMax, // 0: none
      throwOnRequestTimeout: true,
      httpAgent: { keepAlive: true, maxSockets: 256 },
      httpsAgent: { keepAlive: true, maxSockets: 256 },
    },
    ...(endpoint === undefined ? {} : { endpoint }),
  })
  signByKnownHash(client)
  return client
}

function writeFields(options: PutOptions, writer: string): object {
  return {
    ContentType: options.contentType,
    Metadata: { ...options.metadata, writer },
    ...(options.condition === 'absent' ? { IfNoneMatch: '*' } : { IfMatch: options.condition.etag }),
    ...(options.cacheControl === undefined ? {} : { CacheControl: options.cacheControl }),
    ...(options.sha256 === undefined ? {} : { ChecksumSHA256: options.sha256.toString('base64') }),
  }
}

interface SdkHead {
  ETag?: string | undefined
  ContentLength?: number | undefined
  ContentType?: string | undefined
  Metadata?: Record<string, string> | undefined
}

function headOf(answer: SdkHead): ObjectHead {
  return {
    etag: answer.ETag ?? '',
    bytes: answer.ContentLength ?? 0,
    contentType: answer.ContentType ?? 'application/octet-stream',
    metadata: answer.Metadata ?? {},
  }
}
