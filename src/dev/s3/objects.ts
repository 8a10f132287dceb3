import type { Readable } from 'node:stream'
import type { Bodies } from './bodies.ts'
import { checksumHeaders } from './checksums.ts'
import type { Checksum } from './checksums.ts'
import { checkRead, checkWrite, readWriteCondition, unquoted } from './conditions.ts'
import { S3Error } from './errors.ts'
import type { ObjectIndex, StoredObject } from './object-index.ts'
import { declaredChecksum, receiveBody, receiveDocument } from './receive.ts'
import type { ReceivedBody } from './receive.ts'
import type { SignedRequest } from './request.ts'
import { document, elements, group, insides, textOf } from './xml.ts'

/** What the calls work on. */
export interface Disk {
  readonly index: ObjectIndex
  readonly bodies: Bodies
  now(): number
}

export interface Answer {
  readonly status: number
  readonly headers?: Readonly<Record<string, string>>
  /** A string is XML. */
  readonly body?: string | Buffer | Readable
}

const keptHeaders = [
  'content-type',
  'cache-control',
  'content-disposition',
  'content-encoding',
  'content-language',
  'expires',
]
const metadataBytesMax = 2048

export async function putObject(disk: Disk, request: SignedRequest): Promise<Answer> {
  const { bucket, key } = request
  const condition = readWriteCondition(request)
  const headers = headersToKeep(request)
  // Once before the bytes, to save the way, and once with the row, to be right.
  checkWrite(condition, disk.index.find(bucket, key)?.etag)
  const { object, replaced } = await writeBody(disk, request, ({ bytes, sha256, checksum }, body) => {
    const written = { body, bytes, etag: sha256.toString('hex'), modifiedMs: disk.now(), headers, checksum }
    return { object: written, replaced: disk.index.put(bucket, key, written, condition) }
  })
  disk.bodies.remove(replaced)
  return { status: 200, headers: { etag: `"${object.etag}"`, ...checksumHeaders(object.checksum) } }
}

/** Receives a body into a file and lets `commit` name it in a row; whatever fails, the file goes away again. */
export async function writeBody<T>(
  { bodies }: Disk,
  request: SignedRequest,
  commit: (received: ReceivedBody, name: string) => T,
): Promise<T> {
  const writer = bodies.write()
  try {
    const received = await receiveBody(request, declaredChecksum(request), (piece) => {
      writer.add(piece)
    })
    writer.close()
    return commit(received, writer.name)
  } catch (error) {
    writer.discard()
    throw error
  }
}

/** GET and HEAD. */
export function getObject({ index, bodies }: Disk, request: SignedRequest): Answer {
  const object = found(index.find(request.bucket, request.key))
  const headers = objectHeaders(object)
  if (checkRead(request, object) === 'not-modified') return { status: 304, headers }
  for (const [name, value] of request.query)
    if (name.startsWith('response-')) headers[name.slice('response-'.length)] = sendable(name, value)
  const range = requestedRange(request.header('range'), object.bytes)
  const [first, last] = range ?? [0, object.bytes - 1]
  headers['content-length'] = String(last - first + 1)
  if (range !== undefined) headers['content-range'] = `bytes ${String(first)}-${String(last)}/${String(object.bytes)}`
  else if (request.header('x-amz-checksum-mode') === 'ENABLED') Object.assign(headers, checksumHeaders(object.checksum))
  const status = range === undefined ? 200 : 206
  if (request.method === 'HEAD') return { status, headers }
  return { status, headers, body: bodies.read(object.body, object.bytes, first, last) }
}

export function deleteObject({ index, bodies }: Disk, request: SignedRequest): Answer {
  bodies.remove(index.remove(request.bucket, request.key, readWriteCondition(request)))
  return { status: 204 }
}

/** DeleteObjects: up to a thousand, each with its own outcome. */
export async function deleteObjects({ index, bodies }: Disk, request: SignedRequest): Promise<Answer> {
  const xml = await receiveDocument(request, declaredChecksum(request))
  const wanted = insides(xml, 'Object')
  if (wanted.length === 0 || wanted.length > 1000)
    throw new S3Error('MalformedXML', 'A request to delete names 1 to 1,000 objects.')
  const outcomes = wanted.map((object) => {
    const key = textOf(object, 'Key') ?? ''
    try {
      bodies.remove(index.remove(request.bucket, key, { absent: false, etag: unquoted(textOf(object, 'ETag')) }))
      return textOf(xml, 'Quiet') === 'true' ? '' : group('Deleted', elements({ Key: key }))
    } catch (error) {
      if (!(error instanceof S3Error)) throw error
      return group('Error', elements({ Key: key, Code: error.code, Message: error.message }))
    }
  })
  return { status: 200, body: document('DeleteResult', ...outcomes) }
}

export function copyObject({ index, bodies, now }: Disk, request: SignedRequest): Answer {
  const source = /^\/?([^/]+)\/(.+)$/s.exec(decodeURIComponent(request.header('x-amz-copy-source') ?? ''))
  const [, bucket = '', key = ''] = source ?? []
  const replace = request.header('x-amz-metadata-directive') === 'REPLACE'
  if (source === null) throw new S3Error('InvalidArgument', 'x-amz-copy-source is no bucket/key.')
  if (bucket === request.bucket && key === request.key && !replace)
    throw new S3Error('InvalidRequest', 'A copy to itself changes nothing without new metadata.')
  if (!index.hasBucket(bucket)) throw new S3Error('NoSuchBucket', 'The bucket of the source does not exist.')
  const object = found(index.find(bucket, key))
  const condition = readWriteCondition(request)
  const headers = replace ? headersToKeep(request) : object.headers
  checkWrite(condition, index.find(request.bucket, request.key)?.etag)
  const copy = { ...object, body: bodies.copy(object.body), modifiedMs: now(), headers }
  bodies.remove(index.put(request.bucket, request.key, copy, condition))
  const result = elements({ LastModified: new Date(copy.modifiedMs).toISOString(), ETag: `"${copy.etag}"` })
  return { status: 200, body: document('CopyObjectResult', result, checksumElements(copy.checksum)) }
}

/** The headers that a PUT or CreateMultipartUpload leaves with the object. */
export function headersToKeep(request: SignedRequest): Record<string, string> {
  const kept: Record<string, string> = { 'content-type': 'binary/octet-stream' }
  for (const name of keptHeaders) {
    const value = request.header(name)
    if (value !== undefined) kept[name] = sendable(name, value)
  }
  // `aws-chunked` says how the body came, not what it is. The SDK puts it last, the documentation first.
  const encodings = (kept['content-encoding'] ?? '').split(',').map((coding) => coding.trim())
  delete kept['content-encoding']
  const own = encodings.filter((coding) => coding !== '' && coding !== 'aws-chunked')
  if (own.length > 0) kept['content-encoding'] = own.join(',')
  const names = [...Object.keys(request.message.headers), ...(request.presigned ? request.query.keys() : [])]
  let metadataBytes = 0
  for (const name of names) {
    if (!name.startsWith('x-amz-meta-')) continue
    const value = request.header(name) ?? ''
    metadataBytes += name.length - 'x-amz-meta-'.length + Buffer.byteLength(value)
    kept[name] = sendable(name, value)
  }
  if (metadataBytes > metadataBytesMax)
    throw new S3Error('MetadataTooLarge', 'Your metadata headers exceed the maximum allowed metadata size.')
  return kept
}

/** `<ChecksumSHA256>...` and its type, as the XML answers have them. */
export function checksumElements(checksum: Checksum | undefined): string {
  if (checksum === undefined) return ''
  return elements({ [`Checksum${checksum.algorithm.toUpperCase()}`]: checksum.value, ChecksumType: checksum.type })
}

function objectHeaders(object: StoredObject): Record<string, string> {
  return {
    ...object.headers,
    'accept-ranges': 'bytes',
    etag: `"${object.etag}"`,
    'last-modified': new Date(object.modifiedMs).toUTCString(),
  }
}

/** A query can hold what a header cannot. */
function sendable(name: string, value: string): string {
  if (!/^[\t\x20-\x7e\xa0-\xff]*$/.test(value))
    throw new S3Error('InvalidArgument', `${name} cannot be represented using ISO-8859-1.`)
  return value
}

function found(object: StoredObject | undefined): StoredObject {
  if (object === undefined) throw new S3Error('NoSuchKey', 'The specified key does not exist.')
  return object
}

/** First and last byte; undefined where there is no range, or one that RFC 9110 lets a server ignore. */
function requestedRange(header: string | undefined, bytes: number): [number, number] | undefined {
  const match = /^bytes=(\d*)-(\d*)$/.exec(header ?? '')
  const [, from = '', to = ''] = match ?? []
  if (match === null || (from === '' && to === '')) return undefined
  const first = from === '' ? Math.max(0, bytes - Number(to)) : Number(from)
  const last = from === '' || to === '' ? bytes - 1 : Math.min(Number(to), bytes - 1)
  if (from !== '' && to !== '' && Number(to) < Number(from)) return undefined
  if (first >= bytes) throw new S3Error('InvalidRange', 'The requested range is not satisfiable')
  return [first, last]
}
