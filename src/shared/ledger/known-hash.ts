import type { S3Client } from '@aws-sdk/client-s3'

/**
 * Has the client sign a body by its SHA-256 where the command brings that along: the SDK would hash the same bytes a
 * second time, on the main thread. S3 refuses bytes that do not match what was signed, as ever.
 */
export function signByKnownHash(client: S3Client): void {
  client.middlewareStack.add(
    (next) => async (args) => {
      const base64 = 'ChecksumSHA256' in args.input ? args.input.ChecksumSHA256 : undefined
      if (base64 !== undefined && hasHeaders(args.request)) {
        args.request.headers['x-amz-content-sha256'] = Buffer.from(base64, 'base64').toString('hex')
      }
      return await next(args)
    },
    { step: 'build', name: 'signByKnownHash' },
  )
}

function hasHeaders(request: unknown): request is { headers: Record<string, string> } {
  return typeof request === 'object' && request !== null && 'headers' in request
}
