import { createHash } from 'node:crypto'
import { isChecksumAlgorithm, startChecksum } from './checksums.ts'
import type { Checksum, ChecksumAlgorithm } from './checksums.ts'
import { S3Error } from './errors.ts'
import type { SignedRequest } from './request.ts'
import { trailerPayload, unsignedPayload } from './signature.ts'

/** A body that came whole and matches everything that its sender said about it. */
export interface ReceivedBody {
  readonly bytes: number
  readonly sha256: Buffer
  readonly checksum: Checksum | undefined
}

/** A checksum that the sender promises. */
export interface DeclaredChecksum {
  readonly algorithm: ChecksumAlgorithm
  /** Undefined where it comes in a trailer. */
  readonly value: string | undefined
}

const documentBytesMax = 4 * 1024 * 1024

/**
 * Reads the body, handing on each piece, and then checks length, signed hash and checksums. Throws `BadDigest`,
 * `XAmzContentSHA256Mismatch` or `IncompleteBody`; a connection that is cut raises its own error. Whoever kept the
 * pieces must throw them away then.
 */
export async function receiveBody(
  request: SignedRequest,
  declared: DeclaredChecksum | undefined,
  take: (piece: Buffer) => void,
): Promise<ReceivedBody> {
  const trailers = new Map<string, string>()
  const framed = request.payload === trailerPayload
  const md5 = request.header('content-md5')
  const sha256 = createHash('sha256')
  const checksum = declared === undefined ? undefined : startChecksum(declared.algorithm)
  const md5Checksum = md5 === undefined ? undefined : startChecksum('md5')
  let bytes = 0
  // Leaving the loop early must not close the connection: the answer still has to go through it.
  const incoming: AsyncIterator<Buffer> = request.message.iterator({ destroyOnReturn: false })
  const pieces = framed ? unframed(incoming, trailers) : { [Symbol.asyncIterator]: () => incoming }
  for await (const piece of pieces) {
    bytes += piece.length
    sha256.update(piece)
    checksum?.update(piece)
    md5Checksum?.update(piece)
    take(piece)
  }
  const length = request.header(framed ? 'x-amz-decoded-content-length' : 'content-length')
  if (length !== undefined && Number(length) !== bytes)
    throw new S3Error('IncompleteBody', `The body has ${String(bytes)} bytes, ${length} were announced.`)
  const digest = sha256.digest()
  if (!framed && request.payload !== unsignedPayload && request.payload !== digest.toString('hex'))
    throw new S3Error('XAmzContentSHA256Mismatch', "The provided 'x-amz-content-sha256' does not match the body.")
  if (md5Checksum?.digest().toString('base64') !== md5)
    throw new S3Error('BadDigest', 'The Content-MD5 you specified did not match what we received.')
  if (declared === undefined || checksum === undefined) return { bytes, sha256: digest, checksum: undefined }
  const { algorithm } = declared
  const value = checksum.digest().toString('base64')
  if (value !== (declared.value ?? trailers.get(`x-amz-checksum-${algorithm}`)))
    throw new S3Error('BadDigest', `The ${algorithm} you specified did not match the calculated checksum.`)
  return { bytes, sha256: digest, checksum: { algorithm, value, type: 'FULL_OBJECT' } }
}

/** Reads a small body whole, as text, with the same checks. */
export async function receiveDocument(request: SignedRequest, declared?: DeclaredChecksum): Promise<string> {
  const pieces: Buffer[] = []
  let bytes = 0
  await receiveBody(request, declared, (piece) => {
    bytes += piece.length
    if (bytes > documentBytesMax) throw new S3Error('MalformedXML', 'The document is too long.')
    pieces.push(piece)
  })
  return Buffer.concat(pieces).toString()
}

const notSums = new Set(['x-amz-checksum-algorithm', 'x-amz-checksum-mode', 'x-amz-checksum-type'])

/** The checksum that a header gives or a trailer will. Throws where there are several or it is one we do not know. */
export function declaredChecksum(request: SignedRequest): DeclaredChecksum | undefined {
  const names = [...Object.keys(request.message.headers), ...(request.presigned ? request.query.keys() : [])]
    .map((name) => name.toLowerCase())
    .filter((name) => name.startsWith('x-amz-checksum-') && !notSums.has(name))
  const trailer = request.payload === trailerPayload ? request.header('x-amz-trailer') : undefined
  if (trailer !== undefined) names.push(trailer.toLowerCase())
  const [name, second] = names
  if (name === undefined) return undefined
  if (second !== undefined) throw new S3Error('InvalidRequest', 'Expecting a single x-amz-checksum- header.')
  const algorithm = name.replace('x-amz-checksum-', '')
  if (!isChecksumAlgorithm(algorithm)) throw new S3Error('NotImplemented', `${name} is not implemented.`)
  return { algorithm, value: trailer === undefined ? (request.header(name) ?? '') : undefined }
}

/**
 * Takes the frames of `aws-chunked` off: `size in hex[;...] CRLF bytes CRLF`, a frame of size 0, trailers, an empty
 * line. The SDKs send streams so. Source: S3 API reference, "Signature calculations ... with trailing headers".
 */
async function* unframed(incoming: AsyncIterator<Buffer>, trailers: Map<string, string>): AsyncGenerator<Buffer> {
  let rest: Buffer = Buffer.alloc(0)

  async function more(): Promise<void> {
    const next = await incoming.next()
    if (next.done === true) throw new S3Error('IncompleteBody', 'The body ends within a frame.')
    rest = rest.length === 0 ? next.value : Buffer.concat([rest, next.value])
  }

  async function line(): Promise<string> {
    for (;;) {
      const end = rest.indexOf('\r\n')
      if (end !== -1) {
        const text = rest.toString('latin1', 0, end)
        rest = rest.subarray(end + 2)
        return text
      }
      if (rest.length > 8192) throw new S3Error('IncompleteBody', 'The body is not framed as announced.')
      await more()
    }
  }

  for (;;) {
    const size = /^([0-9a-f]{1,8})(;.*)?$/i.exec(await line())?.[1]
    if (size === undefined) throw new S3Error('IncompleteBody', 'The body is not framed as announced.')
    let left = Number.parseInt(size, 16)
    if (left === 0) break
    while (left > 0) {
      if (rest.length === 0) await more()
      const piece = rest.subarray(0, left)
      rest = rest.subarray(piece.length)
      left -= piece.length
      yield piece
    }
    if ((await line()) !== '') throw new S3Error('IncompleteBody', 'A frame is longer than announced.')
  }
  for (let text = await line(); text !== ''; text = await line()) {
    const colon = text.indexOf(':')
    trailers.set(text.slice(0, colon).trim().toLowerCase(), text.slice(colon + 1).trim())
  }
  while ((await incoming.next()).done !== true);
}
