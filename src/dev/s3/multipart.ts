import { createHash, randomUUID } from 'node:crypto'
import { checksumHeaders, isChecksumAlgorithm, startChecksum } from './checksums.ts'
import type { Checksum } from './checksums.ts'
import { checkWrite, readWriteCondition, unquoted } from './conditions.ts'
import { S3Error } from './errors.ts'
import { noSuchUpload } from './object-index.ts'
import type { OpenUpload, StoredPart } from './object-index.ts'
import { checksumElements, headersToKeep, writeBody } from './objects.ts'
import type { Answer, Disk } from './objects.ts'
import { receiveDocument } from './receive.ts'
import type { SignedRequest } from './request.ts'
import { document, elements, group, insides, textOf } from './xml.ts'

/** Source: S3 user guide, "Amazon S3 multipart upload limits". */
const partNumberMax = 10_000
const partBytesMin = 5 * 1024 * 1024

export function createUpload({ index, now }: Disk, request: SignedRequest): Answer {
  const id = randomUUID()
  const checksum = uploadChecksum(request)
  const { bucket, key } = request
  index.addUpload({ id, bucket, key, startedMs: now(), headers: headersToKeep(request), checksum })
  const headers: Record<string, string> =
    checksum === undefined
      ? {}
      : {
          'x-amz-checksum-algorithm': checksum.algorithm.toUpperCase(),
          'x-amz-checksum-type': checksum.type,
        }
  const body = document('InitiateMultipartUploadResult', elements({ Bucket: bucket, Key: key, UploadId: id }))
  return { status: 200, headers, body }
}

export async function uploadPart(disk: Disk, request: SignedRequest): Promise<Answer> {
  const { id, checksum: asked } = upload(disk, request)
  const number = Number(request.query.get('partNumber'))
  if (!Number.isInteger(number) || number < 1 || number > partNumberMax)
    throw new S3Error('InvalidArgument', 'Part number must be an integer between 1 and 10000, inclusive')
  const { part, replaced } = await writeBody(disk, request, ({ bytes, sha256, checksum }, body) => {
    if (asked !== undefined && asked.algorithm !== checksum?.algorithm)
      throw new S3Error('InvalidRequest', `The upload asks for a checksum by ${asked.algorithm}.`)
    const written = { number, body, bytes, etag: sha256.toString('hex'), checksum }
    return { part: written, replaced: disk.index.putPart(id, written) }
  })
  disk.bodies.remove(replaced)
  return { status: 200, headers: { etag: `"${part.etag}"`, ...checksumHeaders(part.checksum) } }
}

/** Puts the parts together in a new file, then commits the object and the end of the upload at once. */
export async function completeUpload(disk: Disk, request: SignedRequest): Promise<Answer> {
  const open = upload(disk, request)
  const condition = readWriteCondition(request)
  // The checksum headers of this call speak of the object, not of the document.
  const parts = chosenParts(await receiveDocument(request, undefined), disk.index.parts(open.id))
  checkWrite(condition, disk.index.find(open.bucket, open.key)?.etag)
  const whole = open.checksum?.type === 'FULL_OBJECT' ? startChecksum(open.checksum.algorithm) : undefined
  const writer = disk.bodies.write()
  try {
    for (const part of parts) {
      if (part.bytes === 0) continue
      const pieces: AsyncIterable<Buffer> = disk.bodies.stream(part.body, part.bytes, 0, part.bytes - 1)
      for await (const piece of pieces) {
        whole?.update(piece)
        writer.add(piece)
      }
    }
    writer.close()
    const checksum = wholeChecksum(open, parts, whole?.digest())
    const said = checksum === undefined ? undefined : request.header(`x-amz-checksum-${checksum.algorithm}`)
    if (said !== undefined && said !== checksum?.value)
      throw new S3Error('BadDigest', 'The checksum you specified did not match the calculated checksum.')
    const object = {
      body: writer.name,
      bytes: parts.reduce((sum, part) => sum + part.bytes, 0),
      etag: tagOf(parts),
      modifiedMs: disk.now(),
      headers: open.headers,
      checksum,
    }
    disk.bodies.remove(disk.index.completeUpload(open, object, condition))
    const result = elements({ Bucket: open.bucket, Key: open.key, ETag: `"${object.etag}"` })
    return { status: 200, body: document('CompleteMultipartUploadResult', result, checksumElements(checksum)) }
  } catch (error) {
    writer.discard()
    throw error
  }
}

export function abortUpload(disk: Disk, request: SignedRequest): Answer {
  disk.bodies.remove(disk.index.removeUpload(upload(disk, request).id))
  return { status: 204 }
}

/** ListMultipartUploads: all of them on one page. */
export function listUploads({ index }: Disk, request: SignedRequest): Answer {
  const prefix = request.query.get('prefix') ?? ''
  const uploads = index.uploads(request.bucket).filter(({ key }) => key.startsWith(prefix))
  const head = elements({ Bucket: request.bucket, Prefix: prefix, IsTruncated: false })
  const rows = uploads.map(({ id, key, startedMs }) =>
    group('Upload', elements({ Key: key, UploadId: id, Initiated: new Date(startedMs).toISOString() })),
  )
  return { status: 200, body: document('ListMultipartUploadsResult', head, ...rows) }
}

function upload({ index }: Disk, request: SignedRequest): OpenUpload {
  const open = index.findUpload(request.query.get('uploadId') ?? '')
  if (open?.bucket !== request.bucket || open.key !== request.key) throw noSuchUpload()
  return open
}

/** What CreateMultipartUpload asks for; CRC64NVME is always of the whole object, the others only when asked so. */
function uploadChecksum(request: SignedRequest): Checksum | undefined {
  const name = request.header('x-amz-checksum-algorithm')?.toLowerCase()
  if (name === undefined) return undefined
  if (!isChecksumAlgorithm(name)) throw new S3Error('NotImplemented', `The checksum ${name} is not implemented.`)
  const asked = request.header('x-amz-checksum-type')
  const type = name === 'crc64nvme' || asked === 'FULL_OBJECT' ? 'FULL_OBJECT' : 'COMPOSITE'
  return { algorithm: name, value: '', type }
}

/** The parts that the client names. Throws `InvalidPart`, `InvalidPartOrder` or `EntityTooSmall`. */
function chosenParts(xml: string, stored: StoredPart[]): StoredPart[] {
  const byNumber = new Map(stored.map((part) => [part.number, part]))
  let before = 0
  const parts = insides(xml, 'Part').map((wanted) => {
    const number = Number(textOf(wanted, 'PartNumber'))
    const part = byNumber.get(number)
    if (part === undefined || part.etag !== unquoted(textOf(wanted, 'ETag')))
      throw new S3Error('InvalidPart', 'One or more of the specified parts could not be found.')
    const { checksum } = part
    const said = checksum === undefined ? undefined : textOf(wanted, `Checksum${checksum.algorithm.toUpperCase()}`)
    if (said !== undefined && said !== checksum?.value)
      throw new S3Error('InvalidPart', 'The checksum of a part is not the one it was stored with.')
    if (number <= before) throw new S3Error('InvalidPartOrder', 'The list of parts was not in ascending order.')
    before = number
    return part
  })
  if (parts.length === 0) throw new S3Error('MalformedXML', 'The document names no part.')
  if (parts.slice(0, -1).some((part) => part.bytes < partBytesMin))
    throw new S3Error('EntityTooSmall', 'A part but the last is smaller than 5 MiB.')
  return parts
}

/** As S3 makes it of MD5: a hash of the parts' hashes, and how many there are. */
function tagOf(parts: StoredPart[]): string {
  const hash = createHash('sha256')
  for (const part of parts) hash.update(part.etag, 'hex')
  return `${hash.digest('hex')}-${String(parts.length)}`
}

function wholeChecksum(open: OpenUpload, parts: StoredPart[], whole: Buffer | undefined): Checksum | undefined {
  if (open.checksum === undefined) return undefined
  if (whole !== undefined) return { ...open.checksum, value: whole.toString('base64') }
  const composite = startChecksum(open.checksum.algorithm)
  for (const part of parts) composite.update(Buffer.from(part.checksum?.value ?? '', 'base64'))
  return { ...open.checksum, value: `${composite.digest().toString('base64')}-${String(parts.length)}` }
}
