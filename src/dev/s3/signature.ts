import { createHash, createHmac, timingSafeEqual } from 'node:crypto'
import { S3Error } from './errors.ts'
import type { S3Request, SignedRequest } from './request.ts'

/**
 * Signature Version 4, in the Authorization header or in a presigned URL.
 * Source: S3 API reference, "Authenticating Requests (AWS Signature Version 4)".
 */

export interface Credentials {
  readonly accessKeyId: string
  readonly secretAccessKey: string
}

interface Claim {
  readonly accessKeyId: string
  /** `date/region/s3/aws4_request`. */
  readonly scope: string
  /** `20261125T021000Z`. */
  readonly date: string
  readonly signedHeaders: readonly string[]
  readonly signature: string
  readonly payload: string
}

/** The body is not under the signature. */
export const unsignedPayload = 'UNSIGNED-PAYLOAD'
/** Nor is it here; it comes in frames (`aws-chunked`), with a checksum behind it. */
export const trailerPayload = 'STREAMING-UNSIGNED-PAYLOAD-TRAILER'

const algorithm = 'AWS4-HMAC-SHA256'
const skewMsMax = 15 * 60 * 1000
const expirySecondsMax = 7 * 24 * 3600

/**
 * Gives the function that lets a request through. It throws an `S3Error` for everything that is not signed by these
 * credentials, now.
 */
export function openVerifier(credentials: Credentials): (request: S3Request, nowMs: number) => SignedRequest {
  const signingKeys = new Map<string, Buffer>()

  function signingKey(scope: string): Buffer {
    let key = signingKeys.get(scope)
    if (key === undefined) {
      key = Buffer.from(`AWS4${credentials.secretAccessKey}`)
      for (const part of scope.split('/')) key = hmac(key, part)
      if (signingKeys.size > 100) signingKeys.clear()
      signingKeys.set(scope, key)
    }
    return key
  }

  return (request, nowMs) => {
    const claim = request.presigned ? presignedClaim(request, nowMs) : headerClaim(request, nowMs)
    if (claim.accessKeyId !== credentials.accessKeyId)
      throw new S3Error('InvalidAccessKeyId', 'The AWS Access Key Id you provided does not exist in our records.')
    refuseUnsignedHeaders(request, claim)
    const toSign = [algorithm, claim.date, claim.scope, sha256(canonicalRequest(request, claim))].join('\n')
    const expected = hmac(signingKey(claim.scope), toSign)
    const given = Buffer.from(claim.signature, 'hex')
    if (given.length !== expected.length || !timingSafeEqual(given, expected))
      throw new S3Error('SignatureDoesNotMatch', 'The request signature we calculated does not match yours.')
    if (claim.payload !== unsignedPayload && claim.payload !== trailerPayload && !/^[0-9a-f]{64}$/.test(claim.payload))
      throw new S3Error('NotImplemented', `x-amz-content-sha256: ${claim.payload} is not implemented.`)
    return { ...request, payload: claim.payload }
  }
}

function headerClaim(request: S3Request, nowMs: number): Claim {
  const header = request.header('authorization')
  if (header === undefined) throw new S3Error('AccessDenied', 'Access Denied: the request is not signed')
  const match = /^AWS4-HMAC-SHA256 Credential=([^,]+), ?SignedHeaders=([^,]+), ?Signature=([0-9a-f]{64})$/.exec(header)
  if (match === null) throw new S3Error('AuthorizationHeaderMalformed', 'The authorization header is malformed.')
  const [, credential = '', signedHeaders = '', signature = ''] = match
  const date = request.header('x-amz-date') ?? ''
  if (Math.abs(nowMs - timeMs(date)) > skewMsMax)
    throw new S3Error('RequestTimeTooSkewed', "The difference between the request time and the server's is too large.")
  const payload = request.header('x-amz-content-sha256')
  if (payload === undefined) throw new S3Error('InvalidRequest', 'Missing required header: x-amz-content-sha256')
  return { ...parseCredential(credential), date, signedHeaders: signedHeaders.split(';'), signature, payload }
}

function presignedClaim(request: S3Request, nowMs: number): Claim {
  const { query } = request
  const date = query.get('X-Amz-Date') ?? ''
  const seconds = Number(query.get('X-Amz-Expires') ?? Number.NaN)
  if (query.get('X-Amz-Algorithm') !== algorithm || !(seconds > 0 && seconds <= expirySecondsMax))
    throw new S3Error('AuthorizationQueryParametersError', 'X-Amz-Algorithm or X-Amz-Expires is not right.')
  const signedMs = timeMs(date)
  if (signedMs - nowMs > skewMsMax) throw new S3Error('AccessDenied', 'Request is not valid yet')
  if (nowMs > signedMs + seconds * 1000) throw new S3Error('AccessDenied', 'Request has expired')
  return {
    ...parseCredential(query.get('X-Amz-Credential') ?? ''),
    date,
    signedHeaders: (query.get('X-Amz-SignedHeaders') ?? '').split(';'),
    signature: query.get('X-Amz-Signature') ?? '',
    payload: request.header('x-amz-content-sha256') ?? unsignedPayload,
  }
}

function parseCredential(credential: string): { accessKeyId: string; scope: string } {
  const match = /^(.+)\/(\d{8}\/[^/]+\/s3\/aws4_request)$/.exec(credential)
  const [, accessKeyId = '', scope = ''] = match ?? []
  if (match === null) throw new S3Error('AuthorizationHeaderMalformed', 'The credential is malformed.')
  return { accessKeyId, scope }
}

/** What changes the meaning of a request must be under the signature, or anybody on the way could add it. */
function refuseUnsignedHeaders(request: S3Request, claim: Claim): void {
  const { headers } = request.message
  const unsigned = Object.keys(headers).find(
    (name) => (name === 'host' || name.startsWith('x-amz-')) && !claim.signedHeaders.includes(name),
  )
  if (unsigned !== undefined)
    throw new S3Error('AccessDenied', `There were headers present in the request which were not signed: ${unsigned}`)
}

function canonicalRequest(request: S3Request, claim: Claim): string {
  const query = [...request.query]
    .filter(([name]) => name !== 'X-Amz-Signature')
    .map(([name, value]) => [uriEncode(name), uriEncode(value)] as const)
    .sort(([nameA, valueA], [nameB, valueB]) => order(nameA, nameB) || order(valueA, valueB))
  return [
    request.method,
    request.path.split('/').map(uriEncode).join('/'),
    query.map(([name, value]) => `${name}=${value}`).join('&'),
    ...claim.signedHeaders.map((name) => `${name}:${canonicalValue(request.message.headers[name])}`),
    '',
    claim.signedHeaders.join(';'),
    claim.payload,
  ].join('\n')
}

function canonicalValue(value: string | string[] | undefined): string {
  return String(value ?? '')
    .trim()
    .replace(/ +/g, ' ')
}

function order(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}

function uriEncode(text: string): string {
  return encodeURIComponent(text).replace(
    /[!'()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  )
}

/** Throws where it is no date. */
function timeMs(date: string): number {
  const match = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(date)
  if (match === null) throw new S3Error('AccessDenied', 'AWS authentication requires a valid X-Amz-Date')
  const [, year, month, day, hour, minute, second] = match.map(Number)
  return Date.UTC(year ?? 0, (month ?? 0) - 1, day, hour, minute, second)
}

function hmac(key: Buffer, text: string): Buffer {
  return createHmac('sha256', key).update(text).digest()
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}
