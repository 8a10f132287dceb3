import type { IncomingMessage } from 'node:http'
import { createGunzip } from 'node:zlib'
import { asFault, grouped } from '../shared/contract/fault.ts'
import { ApiProblem, invalidRequest } from '../shared/contract/problem.ts'
import type { Clock } from '../shared/process/clock.ts'
import { parseJson } from './json-text.ts'
import { ClientGone } from './problem.ts'

/** What an upload may be (docs/api.md, "Submit a batch"). It has no total time. */
export interface BodyLimits {
  /** Of a JSON body, decoded. */
  readonly bytesMax: number
  /** Longest time without a byte. */
  readonly idleMs: number
}

export const bodyLimits: BodyLimits = { bytesMax: 32 * 1024 * 1024, idleMs: 30_000 }

export interface JsonBody {
  readonly value: unknown
  /** Decoded: what a hash of the body is made of. */
  readonly bytes: Buffer
}

/**
 * Reads a JSON body, gzipped or not. Throws `ApiProblem`: 415 for what it is not, 413 over the limit (inflated), 408 for
 * half a minute without a byte, 400 for what is no JSON.
 */
export async function readJsonBody(request: IncomingMessage, clock: Clock, limits: BodyLimits): Promise<JsonBody> {
  const { headers } = request
  if (headers['transfer-encoding'] === undefined && Number(headers['content-length'] ?? 0) === 0) {
    throw new ApiProblem({ problem: 'invalid_json', detail: 'The body is empty.' })
  }
  checkContentType(headers['content-type'])
  const gzipped = isGzipped(headers['content-encoding'])
  if (!gzipped && Number(headers['content-length'] ?? 0) > limits.bytesMax) throw tooLarge(limits.bytesMax)
  const bytes = await readBytes(request, clock, { ...limits, gzipped })
  if (bytes.length === 0) throw new ApiProblem({ problem: 'invalid_json', detail: 'The body is empty.' })
  return { value: parseJson(bytes), bytes }
}

const laterTypes: readonly string[] = ['application/x-ndjson', 'text/csv']

function checkContentType(header: string | undefined): void {
  const [type = '', ...parameters] = (header ?? '').split(';').map((part) => part.trim().toLowerCase())
  if (laterTypes.includes(type)) {
    const { message, params } = asFault('unsupported', `${type} is not supported yet: send application/json`)
    throw invalidRequest([{ param: 'Content-Type', code: params.fault, message }])
  }
  if (type !== 'application/json') throw unsupportedMediaType('The body must be application/json.')
  const charset = parameters.find((parameter) => parameter.startsWith('charset='))?.slice('charset='.length)
  if (charset !== undefined && !/^"?utf-?8"?$/.test(charset)) {
    throw unsupportedMediaType('The body must be in UTF-8.')
  }
}

function isGzipped(header: string | undefined): boolean {
  const encoding = (header ?? 'identity').trim().toLowerCase()
  if (encoding === 'identity') return false
  if (encoding === 'gzip' || encoding === 'x-gzip') return true
  throw unsupportedMediaType('The body may be compressed with gzip and nothing else.')
}

function unsupportedMediaType(detail: string): ApiProblem {
  return new ApiProblem({ problem: 'unsupported_media_type', detail })
}

function tooLarge(bytesMax: number): ApiProblem {
  const detail = `The body is larger than ${grouped(bytesMax)} bytes, which is the limit.`
  return new ApiProblem({ problem: 'too_large', detail })
}

async function readBytes(
  request: IncomingMessage,
  clock: Clock,
  { bytesMax, idleMs, gzipped }: BodyLimits & { gzipped: boolean },
): Promise<Buffer> {
  const { promise, resolve, reject } = Promise.withResolvers<Buffer>()
  const chunks: Buffer[] = []
  let length = 0
  let lastByteMs = clock.monotonic()

  const gunzip = gzipped ? createGunzip() : undefined
  const source = gunzip === undefined ? request : request.pipe(gunzip)
  const noteByte = (): void => {
    lastByteMs = clock.monotonic()
  }
  const take = (chunk: Buffer): void => {
    length += chunk.length
    if (length > bytesMax) reject(tooLarge(bytesMax))
    else chunks.push(chunk)
  }
  const cut = (): void => {
    if (!request.complete) reject(new ClientGone())
  }
  request.on('data', noteByte)
  request.on('close', cut)
  request.on('error', cut)
  source.on('data', take)
  source.on('end', () => {
    resolve(Buffer.concat(chunks))
  })
  gunzip?.on('error', (error) => {
    reject(new ApiProblem({ problem: 'bad_request', detail: 'The body is not whole gzip.', cause: error }))
  })
  const stopWatching = clock.every(Math.min(1_000, idleMs), () => {
    if (clock.monotonic() - lastByteMs < idleMs) return
    reject(new ApiProblem({ problem: 'timeout', detail: `No byte of the body came for ${String(idleMs / 1000)} s.` }))
  })
  try {
    return await promise
  } finally {
    stopWatching()
    request.off('data', noteByte)
    request.off('close', cut)
    source.off('data', take)
    request.unpipe()
    gunzip?.destroy()
    request.resume() // whatever still comes is let go by
  }
}
