import type { IncomingMessage } from 'node:http'
import { createGunzip } from 'node:zlib'
import { grouped } from '../shared/contract/fault.ts'
import { ApiProblem } from '../shared/contract/problem.ts'
import { readJson } from '../shared/intake/json-text.ts'
import type { Clock } from '../shared/process/clock.ts'
import { ClientGone } from './problem.ts'

/** What an upload may be (docs/api.md, "Submit a batch"). It has no total time. */
export interface BodyLimits {
  /** Of a JSON body, decoded. */
  readonly bytesMax: number
  /** Longest time without a byte. */
  readonly idleMs: number
}

export const bodyLimits: BodyLimits = { bytesMax: 32 * 1024 * 1024, idleMs: 30_000 }

/**
 * The media type of a body. Throws `ApiProblem`: 415 for one that is not among `types`, or not in UTF-8; 400 for a body
 * that is empty.
 */
export function bodyType<Type extends string>({ headers }: IncomingMessage, types: readonly Type[]): Type {
  if (headers['transfer-encoding'] === undefined && Number(headers['content-length'] ?? 0) === 0) throw emptyBody()
  const [first = '', ...parameters] = (headers['content-type'] ?? '')
    .split(';')
    .map((part) => part.trim().toLowerCase())
  const type = types.find((one) => one === first)
  if (type === undefined) throw unsupportedMediaType(`The body must be ${types.join(' or ')}.`)
  const charset = parameters.find((parameter) => parameter.startsWith('charset='))?.slice('charset='.length)
  if (charset !== undefined && !/^"?utf-?8"?$/.test(charset)) throw unsupportedMediaType('The body must be in UTF-8.')
  return type
}

export function emptyBody(): ApiProblem {
  return new ApiProblem({ problem: 'invalid_json', detail: 'The body is empty.' })
}

/**
 * Reads a JSON body, gzipped or not, and gives its value. Throws `ApiProblem`: 415 for what it is not, 413 over the limit
 * (inflated), 408 for half a minute without a byte, 400 for what is no JSON.
 */
export async function readJsonBody(request: IncomingMessage, clock: Clock, limits: BodyLimits): Promise<unknown> {
  bodyType(request, ['application/json'])
  return await jsonOf(bodyPieces(request, clock, limits))
}

/** The value of a JSON text that comes in pieces. Throws `ApiProblem` 400 where it is none, without a word of it. */
export async function jsonOf(pieces: AsyncIterable<Buffer>): Promise<unknown> {
  const all: Buffer[] = []
  for await (const piece of pieces) all.push(piece)
  const bytes = Buffer.concat(all)
  if (bytes.length === 0) throw emptyBody()
  const read = readJson(bytes)
  if ('value' in read) return read.value
  const { fault, at } = read
  const place =
    at === undefined ? '' : ` at line ${String(at.line)}, column ${String(at.column)} (character ${String(at.offset)})`
  throw new ApiProblem({ problem: 'invalid_json', detail: `The body ${fault}${place}.` })
}

/**
 * A body's bytes, decoded, as they are asked for: what is not asked for stays with the sender. Throws `ApiProblem` 413
 * over `bytesMax`, 408 where no byte comes for `idleMs` while one is waited for, 400 for gzip that is none or not whole,
 * 415 for other encodings; `ClientGone` where the sender is.
 */
export async function* bodyPieces(
  request: IncomingMessage,
  clock: Clock,
  { bytesMax = Infinity, idleMs }: { readonly bytesMax?: number | undefined; readonly idleMs: number },
): AsyncGenerator<Buffer> {
  const gunzip = isGzipped(request.headers['content-encoding']) ? createGunzip() : undefined
  const announced = Number(request.headers['content-length'] ?? 0)
  if (gunzip === undefined && announced > bytesMax) throw tooLarge(bytesMax)
  const source = gunzip === undefined ? request : request.pipe(gunzip)
  const pieces = newInbox()
  let silentSinceMs = 0
  const noteByte = (): void => {
    silentSinceMs = clock.monotonic()
  }
  const take = (piece: Buffer): void => {
    source.pause()
    pieces.put(piece)
  }
  const cut = (): void => {
    if (!request.complete) pieces.fail(new ClientGone())
  }
  request.on('data', noteByte)
  request.on('close', cut)
  request.on('error', cut)
  source.on('data', take)
  source.on('end', pieces.end)
  gunzip?.on('error', (cause) => {
    pieces.fail(new ApiProblem({ problem: 'bad_request', detail: 'The body is not whole gzip.', cause }))
  })
  // The time in which nobody asks for more is not the sender's.
  const stopWatching = clock.every(Math.min(1_000, idleMs), () => {
    if (!pieces.awaited() || clock.monotonic() - silentSinceMs < idleMs) return
    const detail = `No byte of the body came for ${String(idleMs / 1000)} s.`
    pieces.fail(new ApiProblem({ problem: 'timeout', detail }))
  })
  let bytes = 0
  try {
    for (;;) {
      noteByte()
      source.resume()
      const piece = await pieces.next()
      if (piece === undefined) return
      bytes += piece.length
      if (bytes > bytesMax) throw tooLarge(bytesMax)
      yield piece
    }
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

interface Inbox {
  put(piece: Buffer): void
  end(): void
  fail(error: Error): void
  /** The next piece; undefined at the end. What failed comes before what is left. */
  next(): Promise<Buffer | undefined>
  /** Somebody waits for a piece. */
  awaited(): boolean
}

/** What has come and was not asked for yet: seldom more than a piece. */
function newInbox(): Inbox {
  const pieces: Buffer[] = []
  let ended = false
  let fault: Error | undefined
  let wake: (() => void) | undefined
  const change = (): void => {
    wake?.()
    wake = undefined
  }
  return {
    put(piece) {
      pieces.push(piece)
      change()
    },
    end() {
      ended = true
      change()
    },
    fail(error) {
      fault ??= error
      change()
    },
    async next() {
      while (pieces.length === 0 && !ended && fault === undefined) {
        await new Promise<void>((resolve) => {
          wake = resolve
        })
      }
      if (fault !== undefined) throw fault
      return pieces.shift()
    },
    awaited: () => wake !== undefined,
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
