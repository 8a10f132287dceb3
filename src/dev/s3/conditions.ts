import { S3Error } from './errors.ts'
import type { S3Request } from './request.ts'

/**
 * What a write expects to find. Sources: S3 user guide, "Add preconditions to S3 operations with conditional requests",
 * and RFC 9110, section 13.
 */
export interface WriteCondition {
  /** `If-None-Match: *`: nothing. */
  readonly absent: boolean
  /** `If-Match`: exactly this ETag, without quotes; `*` is any. */
  readonly etag: string | undefined
}

export function readWriteCondition(request: S3Request): WriteCondition {
  const ifNoneMatch = request.header('if-none-match')
  if (ifNoneMatch !== undefined && ifNoneMatch !== '*')
    throw new S3Error('NotImplemented', 'Of If-None-Match a write takes only *.')
  return { absent: ifNoneMatch === '*', etag: unquoted(request.header('if-match')) }
}

/** Throws `PreconditionFailed`; `NoSuchKey` where an ETag is expected and there is nothing, as AWS does. */
export function checkWrite(condition: WriteCondition, etag: string | undefined): void {
  if (condition.absent && etag !== undefined) throw failed('If-None-Match')
  if (condition.etag === undefined) return
  if (etag === undefined) throw new S3Error('NoSuchKey', 'The specified key does not exist.')
  if (condition.etag !== '*' && condition.etag !== etag) throw failed('If-Match')
}

/** Whether a read gets the object or a 304. Throws `PreconditionFailed`. */
export function checkRead(request: S3Request, object: { etag: string; modifiedMs: number }): 'whole' | 'not-modified' {
  const modifiedMs = Math.floor(object.modifiedMs / 1000) * 1000
  const ifMatch = request.header('if-match')
  const ifNoneMatch = request.header('if-none-match')
  if (ifMatch !== undefined) {
    if (!names(ifMatch, object.etag)) throw failed('If-Match')
  } else if (modifiedMs > dateMs(request.header('if-unmodified-since'))) throw failed('If-Unmodified-Since')
  if (ifNoneMatch !== undefined) return names(ifNoneMatch, object.etag) ? 'not-modified' : 'whole'
  return modifiedMs <= dateMs(request.header('if-modified-since')) ? 'not-modified' : 'whole'
}

function names(header: string, etag: string): boolean {
  return header.split(',').some((tag) => tag.trim() === '*' || unquoted(tag.trim()) === etag)
}

export function unquoted(tag: string | undefined): string | undefined {
  return tag?.replace(/^"(.*)"$/, '$1')
}

/** NaN, with which no comparison is true, where there is no date. */
function dateMs(header: string | undefined): number {
  return header === undefined ? Number.NaN : Date.parse(header)
}

function failed(header: string): S3Error {
  return new S3Error('PreconditionFailed', `At least one of the pre-conditions you specified did not hold: ${header}`)
}
