import { createHash, randomBytes } from 'node:crypto'
import { request as httpRequest } from 'node:http'
import { request as httpsRequest } from 'node:https'
import {
  AbortMultipartUploadCommand,
  DeleteObjectsCommand,
  ListMultipartUploadsCommand,
  paginateListObjectsV2,
  S3Client,
} from '@aws-sdk/client-s3'
import type { S3ClientConfig } from '@aws-sdk/client-s3'
import type { Target } from './target.ts'

/** What a check works with: one client, and keys below a prefix that nobody else has. */
export interface Setting {
  readonly target: Target
  readonly client: S3Client
  readonly bucket: string
  /** Of all keys of this run. */
  readonly prefix: string
  /** Bucket and key, for a command. */
  at(name: string): { Bucket: string; Key: string }
  /** Another client for the same target. */
  connect(config?: S3ClientConfig): S3Client
  clear(): Promise<void>
}

const silent = { debug: ignore, info: ignore, warn: ignore, error: ignore }

/** The SDK says on the console that it does not retry a stream; here that is nobody's business. */
function ignore(): void {}

export function openSetting(target: Target): Setting {
  const { endpoint, region, credentials, bucket, forcePathStyle } = target
  const connect = (config: S3ClientConfig = {}): S3Client =>
    new S3Client({ endpoint, region, credentials, forcePathStyle, maxAttempts: 1, logger: silent, ...config })
  const client = connect()
  const prefix = `conformance-${randomBytes(6).toString('hex')}/`
  return {
    target,
    client,
    bucket,
    prefix,
    connect,
    at: (name) => ({ Bucket: bucket, Key: prefix + name }),
    async clear() {
      for await (const page of paginateListObjectsV2({ client }, { Bucket: bucket, Prefix: prefix })) {
        const Objects = (page.Contents ?? []).map(({ Key }) => ({ Key }))
        if (Objects.length > 0) await client.send(new DeleteObjectsCommand({ Bucket: bucket, Delete: { Objects } }))
      }
      const { Uploads } = await client.send(new ListMultipartUploadsCommand({ Bucket: bucket, Prefix: prefix }))
      for (const { Key, UploadId } of Uploads ?? [])
        await client.send(new AbortMultipartUploadCommand({ Bucket: bucket, Key, UploadId }))
      client.destroy()
    },
  }
}

export interface Refusal {
  readonly code: string
  readonly status: number | undefined
}

/** How a call was refused. Throws where it was not. */
export async function refusal(call: Promise<unknown>): Promise<Refusal> {
  try {
    await call
  } catch (error) {
    const { name, $metadata } = error as Error & { $metadata?: { httpStatusCode?: number } }
    return { code: name, status: $metadata?.httpStatusCode }
  }
  throw new Error('the call was not refused')
}

export const preconditionFailed: Refusal = { code: 'PreconditionFailed', status: 412 }
export const noSuchKey: Refusal = { code: 'NoSuchKey', status: 404 }
export const notFound: Refusal = { code: 'NotFound', status: 404 }

/** The body of an answer. */
export async function bytesOf(answer: { Body?: { transformToByteArray(): Promise<Uint8Array> } | undefined }) {
  return Buffer.from((await answer.Body?.transformToByteArray()) ?? [])
}

export function sha256(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('base64')
}

export interface RawAnswer {
  readonly status: number
  readonly text: string
  readonly headers: Headers
}

/** A request as it stands, without the SDK. */
export async function send(url: string, init: RequestInit = {}): Promise<RawAnswer> {
  const answer = await fetch(url, init)
  return { status: answer.status, text: await answer.text(), headers: answer.headers }
}

/** Announces a body, sends its first half and ends the connection there. Resolves when the server has let go, too. */
export async function sendHalf(url: string, body: Buffer): Promise<void> {
  const open = url.startsWith('https:') ? httpsRequest : httpRequest
  const request = open(url, { method: 'PUT', headers: { 'content-length': body.length } })
  await new Promise<void>((resolve) => {
    request.on('error', () => undefined)
    request.on('response', (response) => response.resume())
    request.on('close', resolve)
    request.write(body.subarray(0, body.length / 2), () => request.socket?.end())
  })
}

/** What goes over the wire. */
interface Outgoing {
  headers: Record<string, string>
  body: unknown
}

/** Changes what a client sends, before it is signed. */
export function tamperBefore(client: S3Client, change: (request: Outgoing) => void): void {
  client.middlewareStack.add(
    (next) => (args) => {
      change(args.request as Outgoing)
      return next(args)
    },
    { step: 'build', priority: 'low', name: 'tamperBefore' },
  )
}

/** Changes what a client sends, after it was signed. */
export function tamperAfter(client: S3Client, change: (request: Outgoing) => void): void {
  client.middlewareStack.add(
    (next) => (args) => {
      change(args.request as Outgoing)
      return next(args)
    },
    { step: 'deserialize', priority: 'low', name: 'tamperAfter' },
  )
}
