import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { request as httpRequest } from 'node:http'
import type { IncomingMessage } from 'node:http'
import { request as httpsRequest } from 'node:https'
import { text } from 'node:stream/consumers'
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

/** An upload that has got half-way. */
export interface HalfSent {
  /** Sends the other half and gives the answer. */
  finish(): Promise<Pick<RawAnswer, 'status' | 'text'>>
  /** Ends the connection. Resolves when the server has let go, too. */
  cut(): Promise<void>
}

/** Announces a body and sends its first half. Resolves when that is on its way. */
export async function sendHalf(url: string, body: Buffer, headers: Record<string, string> = {}): Promise<HalfSent> {
  const open = url.startsWith('https:') ? httpsRequest : httpRequest
  const request = open(url, { method: 'PUT', headers: { ...headers, 'content-length': body.length }, agent: false })
  const answer = new Promise<IncomingMessage>((resolve, reject) => {
    request.on('response', resolve)
    request.on('error', reject)
  })
  answer.catch(() => undefined) // cut off, it may end in an error
  await new Promise((resolve) => request.write(body.subarray(0, body.length / 2), resolve))
  return {
    async finish() {
      request.end(body.subarray(body.length / 2))
      const response = await answer
      return { status: response.statusCode ?? 0, text: await text(response) }
    },
    async cut() {
      const closed = once(request, 'close')
      answer.then((response) => response.resume()).catch(() => undefined)
      request.socket?.end()
      await closed
    },
  }
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
