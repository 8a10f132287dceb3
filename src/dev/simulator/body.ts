import type { IncomingMessage } from 'node:http'
import { Refusal } from './refusal.ts'

/** A request's body as JSON. Throws a Refusal: 413 over `bytesMax`, 400 where it is no JSON. */
export async function readJson(request: IncomingMessage, bytesMax: number): Promise<unknown> {
  const parts: Buffer[] = []
  let bytes = 0
  for await (const part of request as AsyncIterable<Buffer>) {
    bytes += part.length
    // Read to its end all the same: a socket closed on unread bytes is reset, and the 413 lost with it.
    if (bytes <= bytesMax) parts.push(part)
  }
  if (bytes > bytesMax) throw new Refusal(413, 'request_too_large', 'The request body is larger than 32 MB.')
  try {
    return JSON.parse(Buffer.concat(parts).toString())
  } catch {
    throw new Refusal(400, 'invalid_json', 'The body of your request is not valid JSON.')
  }
}
