import type { ServerResponse } from 'node:http'
import type { Clock } from '../../shared/process/clock.ts'
import { errorBody, type ErrorShape, type Refusal } from './refusal.ts'

/** What a call gets: an answer, or none. */
export type Answer =
  | { readonly kind: 'send' | 'drip' | 'cut_mid_body'; status: number; headers: Record<string, string>; body: string }
  /** The socket is destroyed. */
  | { readonly kind: 'cut' }
  /** The socket stays open and nothing is ever sent. */
  | { readonly kind: 'hang' }

export function jsonAnswer(status: number, body: object | undefined, headers: Record<string, string> = {}): Answer {
  const text = body === undefined ? '' : JSON.stringify(body)
  return { kind: 'send', status, headers: { ...headers, 'Content-Type': 'application/json' }, body: text }
}

export function htmlAnswer(status: number, title: string, headers: Record<string, string> = {}): Answer {
  const body = `<html>\r\n<head><title>${title}</title></head>\r\n<body>\r\n<center><h1>${title}</h1></center>\r\n<hr><center>cloudflare</center>\r\n</body>\r\n</html>\r\n`
  return { kind: 'send', status, headers: { ...headers, 'Content-Type': 'text/html' }, body }
}

export function refusalAnswer(refusal: Refusal, shape: ErrorShape = 'error', headers?: Record<string, string>): Answer {
  return jsonAnswer(refusal.status, errorBody(refusal, shape), headers)
}

/** Bytes a step, and how long a step is: 2 KB a second. */
const drip = { bytes: 200, everyMs: 100 }

/** Sends an answer, or withholds it. Resolves when it is on its way; an answer that hangs ends with the socket. */
export async function deliver(response: ServerResponse, answer: Answer, clock: Clock): Promise<void> {
  if (answer.kind === 'hang') return
  if (answer.kind === 'cut') {
    response.destroy()
    return
  }
  const body = Buffer.from(answer.body)
  response.writeHead(answer.status, { ...answer.headers, 'Content-Length': body.length })
  if (answer.kind === 'send') response.end(body)
  else if (answer.kind === 'drip') await sendSlowly(response, body, clock)
  else response.write(body.subarray(0, Math.floor(body.length / 2)), () => response.destroy())
}

/** Sends bytes at 2 KB a second, until all are out or the other side is gone. */
export async function sendSlowly(response: ServerResponse, bytes: Buffer, clock: Clock): Promise<void> {
  for (let at = 0; at < bytes.length && !response.destroyed; at += drip.bytes) {
    response.write(bytes.subarray(at, at + drip.bytes))
    await clock.sleep(drip.everyMs)
  }
  response.end()
}
