import { S3Error } from './errors.ts'
import { listObjects } from './listing.ts'
import { abortUpload, completeUpload, createUpload, listUploads, uploadPart } from './multipart.ts'
import { copyObject, deleteObject, deleteObjects, getObject, putObject } from './objects.ts'
import type { Answer, Disk } from './objects.ts'
import { receiveDocument } from './receive.ts'
import type { SignedRequest } from './request.ts'

interface Route {
  readonly method: string
  readonly of: 'bucket' | 'object'
  /** Fields of the query that tell this call from others. */
  readonly needs: readonly string[]
  readonly takes?: readonly string[]
  readonly handle: (disk: Disk, request: SignedRequest) => Answer | Promise<Answer>
}

const listFields = [
  'prefix',
  'delimiter',
  'max-keys',
  'continuation-token',
  'start-after',
  'encoding-type',
  'fetch-owner',
]
const answerFields = [
  'content-type',
  'content-language',
  'expires',
  'cache-control',
  'content-disposition',
  'content-encoding',
].map((name) => `response-${name}`)

/** Every call that this server knows. */
const routes: readonly Route[] = [
  { method: 'PUT', of: 'bucket', needs: [], handle: createBucket },
  { method: 'HEAD', of: 'bucket', needs: [], handle: () => ({ status: 200 }) },
  { method: 'GET', of: 'bucket', needs: ['list-type'], takes: listFields, handle: listObjects },
  { method: 'GET', of: 'bucket', needs: ['uploads'], takes: ['prefix'], handle: listUploads },
  { method: 'POST', of: 'bucket', needs: ['delete'], handle: deleteObjects },
  { method: 'PUT', of: 'object', needs: ['partNumber', 'uploadId'], handle: uploadPart },
  { method: 'PUT', of: 'object', needs: [], handle: putOrCopy },
  { method: 'GET', of: 'object', needs: [], takes: answerFields, handle: getObject },
  { method: 'HEAD', of: 'object', needs: [], takes: answerFields, handle: getObject },
  { method: 'DELETE', of: 'object', needs: ['uploadId'], handle: abortUpload },
  { method: 'DELETE', of: 'object', needs: [], handle: deleteObject },
  { method: 'POST', of: 'object', needs: ['uploads'], handle: createUpload },
  { method: 'POST', of: 'object', needs: ['uploadId'], handle: completeUpload },
]

const knownHeaders =
  /^x-amz-(date|content-sha256|user-agent|decoded-content-length|trailer|sdk-checksum-algorithm|checksum-.*|meta-.*|copy-source|metadata-directive|mp-object-size)$/

/** Finds the call and makes it. What is not known is refused by its name, never left out of account. */
export function answer(disk: Disk, request: SignedRequest): Answer | Promise<Answer> {
  const unknown = Object.keys(request.message.headers).find(
    (name) => name.startsWith('x-amz-') && !knownHeaders.test(name),
  )
  if (unknown !== undefined) throw new S3Error('NotImplemented', `The header ${unknown} is not implemented.`)
  const of = request.key === '' ? 'bucket' : 'object'
  const fields = [...request.query.keys()].filter((name) => name !== 'x-id' && !name.toLowerCase().startsWith('x-amz-'))
  const route = routes.find(
    ({ method, of: about, needs, takes = [] }) =>
      method === request.method &&
      about === of &&
      needs.every((name) => fields.includes(name)) &&
      fields.every((name) => needs.includes(name) || takes.includes(name)),
  )
  if (route === undefined)
    throw new S3Error('NotImplemented', `${request.method} ${of}?${fields.join('&')} is not implemented.`)
  if (route.handle !== createBucket && !disk.index.hasBucket(request.bucket))
    throw new S3Error('NoSuchBucket', 'The specified bucket does not exist')
  return route.handle(disk, request)
}

async function createBucket({ index, now }: Disk, request: SignedRequest): Promise<Answer> {
  // It names a region, which means nothing here.
  await receiveDocument(request)
  if (index.hasBucket(request.bucket))
    throw new S3Error('BucketAlreadyOwnedByYou', 'Your previous request to create the named bucket succeeded.')
  addBucket({ index, now }, request.bucket)
  return { status: 200, headers: { location: `/${request.bucket}` } }
}

/** Throws `InvalidBucketName` by the main rules of S3's user guide, "General purpose bucket naming rules". */
export function addBucket({ index, now }: Pick<Disk, 'index' | 'now'>, name: string): void {
  if (!/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/.test(name))
    throw new S3Error('InvalidBucketName', `The specified bucket is not valid: ${name}`)
  index.addBucket(name, now())
}

function putOrCopy(disk: Disk, request: SignedRequest): Answer | Promise<Answer> {
  return request.header('x-amz-copy-source') === undefined ? putObject(disk, request) : copyObject(disk, request)
}
