import { S3Error } from './errors.ts'
import type { ListedObject } from './object-index.ts'
import type { Answer, Disk } from './objects.ts'
import type { SignedRequest } from './request.ts'
import { document, elements, group } from './xml.ts'

const pageMax = 1000

/**
 * ListObjectsV2. Keys are compared as bytes of UTF-8, as S3 does. A place is the first key that was not looked at yet,
 * or what comes before it: a key with 0x00 behind it is the next possible one, and 0xFF, which no UTF-8 has, comes
 * behind everything in a folder.
 */
export function listObjects({ index }: Disk, request: SignedRequest): Answer {
  const { query } = request
  const prefix = Buffer.from(query.get('prefix') ?? '')
  const delimiter = Buffer.from(query.get('delimiter') ?? '')
  const limit = pageSize(query.get('max-keys'))
  const encode = query.get('encoding-type') === 'url' ? encodeURIComponent : String
  const token = query.get('continuation-token')
  const contents: ListedObject[] = []
  const folders: Buffer[] = []
  let place = firstPlace(prefix, query.get('start-after'), token)

  const truncated = limit > 0 && isMoreBehindPage()
  function isMoreBehindPage(): boolean {
    let inFolder: boolean
    do {
      inFolder = false
      for (const object of index.from(request.bucket, place)) {
        if (!object.key.subarray(0, prefix.length).equals(prefix)) return false
        if (contents.length + folders.length === limit) return true
        const end = delimiter.length === 0 ? -1 : object.key.indexOf(delimiter, prefix.length)
        if (end !== -1) {
          const folder = object.key.subarray(0, end + delimiter.length)
          folders.push(folder)
          place = Buffer.concat([folder, Buffer.from([0xff])])
          inFolder = true
          break
        }
        contents.push(object)
        place = Buffer.concat([object.key, Buffer.from([0])])
      }
    } while (inFolder)
    return false
  }

  return {
    status: 200,
    body: document(
      'ListBucketResult',
      elements({
        Name: request.bucket,
        Prefix: encode(prefix.toString()),
        Delimiter: delimiter.length === 0 ? undefined : encode(delimiter.toString()),
        EncodingType: query.get('encoding-type') ?? undefined,
        StartAfter: query.get('start-after') ?? undefined,
        ContinuationToken: token ?? undefined,
        MaxKeys: limit,
        KeyCount: contents.length + folders.length,
        IsTruncated: truncated,
        NextContinuationToken: truncated ? place.toString('base64url') : undefined,
      }),
      ...contents.map(({ key, modifiedMs, etag, bytes }) =>
        group(
          'Contents',
          elements({
            Key: encode(key.toString()),
            LastModified: new Date(modifiedMs).toISOString(),
            ETag: `"${etag}"`,
            Size: bytes,
            StorageClass: 'STANDARD',
          }),
        ),
      ),
      ...folders.map((folder) => group('CommonPrefixes', elements({ Prefix: encode(folder.toString()) }))),
    ),
  }
}

function firstPlace(prefix: Buffer, startAfter: string | null, token: string | null): Buffer {
  if (token !== null) return Buffer.from(token, 'base64url')
  if (startAfter === null) return prefix
  const behind = Buffer.from(`${startAfter}\0`)
  return Buffer.compare(behind, prefix) > 0 ? behind : prefix
}

function pageSize(text: string | null): number {
  const size = Number(text ?? pageMax)
  if (!Number.isInteger(size) || size < 0) throw new S3Error('InvalidArgument', 'max-keys is no whole number.')
  return Math.min(size, pageMax)
}
