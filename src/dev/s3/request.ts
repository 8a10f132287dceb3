import type { IncomingMessage } from 'node:http'
import { S3Error } from './errors.ts'

/** A request in path style, taken apart but not yet trusted. */
export interface S3Request {
  readonly message: IncomingMessage
  readonly method: string
  /** The whole path, decoded. */
  readonly path: string
  readonly bucket: string
  /** Empty where the request is about the bucket. */
  readonly key: string
  readonly query: URLSearchParams
  readonly presigned: boolean
  /** A header; in a presigned URL an `x-amz-` one may stand in the query instead. */
  header(name: string): string | undefined
}

/** A request whose signature holds. */
export interface SignedRequest extends S3Request {
  /** What was signed for the body: a SHA-256 in hex, or one of the two words of `signature.ts`. */
  readonly payload: string
}

const keyBytesMax = 1024

/** Throws `InvalidURI` or `KeyTooLongError`. Dots and double slashes stay: they are part of a key. */
export function parseRequest(message: IncomingMessage): S3Request {
  const target = message.url ?? '/'
  const mark = target.indexOf('?')
  const path = decodePath(mark === -1 ? target : target.slice(0, mark))
  const query = new URLSearchParams(mark === -1 ? '' : target.slice(mark + 1))
  const slash = path.indexOf('/', 1)
  const bucket = slash === -1 ? path.slice(1) : path.slice(1, slash)
  const key = slash === -1 ? '' : path.slice(slash + 1)
  if (Buffer.byteLength(key) > keyBytesMax) throw new S3Error('KeyTooLongError', 'Your key is too long')
  const presigned = query.has('X-Amz-Signature')
  return {
    message,
    method: message.method ?? 'GET',
    path,
    bucket,
    key,
    query,
    presigned,
    header(name) {
      const value = message.headers[name]
      if (value !== undefined) return Array.isArray(value) ? value.join(',') : value
      return presigned && name.startsWith('x-amz-') ? queryField(query, name) : undefined
    },
  }
}

/** A field of the query, by its name in small letters: presigned URLs have `X-Amz-Date` beside `x-amz-meta-color`. */
function queryField(query: URLSearchParams, name: string): string | undefined {
  for (const [field, value] of query) if (field.toLowerCase() === name) return value
  return undefined
}

function decodePath(path: string): string {
  try {
    return decodeURIComponent(path)
  } catch {
    throw new S3Error('InvalidURI', "Couldn't parse the specified URI.")
  }
}
