import { once } from 'node:events'
import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Webhook } from 'standardwebhooks'
import type { BatchObject } from '../../shared/contract/batch-object.ts'

export interface ReceivedEvent {
  readonly type: string
  readonly batch: BatchObject
}

/** A receiver of webhooks as a shop would write one, on this machine alone. */
export interface Receiver extends AsyncDisposable {
  readonly url: string
}

const bodyBytesMax = 1024 * 1024

/**
 * Listens on a free port of 127.0.0.1. Each event whose signature verifies (Standard Webhooks, their own package) goes to
 * `received`, the same event not twice; what does not verify is answered with 400 and goes to `refused` with the reason.
 */
export async function startReceiver(options: {
  readonly secret: string
  readonly received: (event: ReceivedEvent) => void
  readonly refused: (why: string) => void
}): Promise<Receiver> {
  const webhook = new Webhook(options.secret)
  const seen = new Set<string>()

  async function take(message: IncomingMessage): Promise<number> {
    const body = await bodyOf(message)
    if (body === undefined) return 413
    const headers = Object.fromEntries(Object.entries(message.headers).map(([name, value]) => [name, String(value)]))
    let payload: unknown
    try {
      payload = webhook.verify(body, headers)
    } catch (error) {
      options.refused(error instanceof Error ? error.message : String(error))
      return 400
    }
    // At least once is promised, and one id an event.
    const id = headers['webhook-id'] ?? ''
    const { type, data } = payload as { type: string; data: BatchObject }
    if (!seen.has(id)) options.received({ type, batch: data })
    seen.add(id)
    return 204
  }

  const server = createServer((message, response) => {
    take(message).then(
      (status) => response.writeHead(status).end(),
      () => response.destroy(), // the sender hung up
    )
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${String(port)}/`,
    [Symbol.asyncDispose]: async () => {
      server.close()
      server.closeAllConnections()
      if (server.listening) await once(server, 'close')
    },
  }
}

/** The exact bytes, which are what was signed; undefined where they are too many. */
async function bodyOf(message: IncomingMessage): Promise<Buffer | undefined> {
  const pieces: Buffer[] = []
  let bytes = 0
  for await (const piece of message as AsyncIterable<Buffer>) {
    bytes += piece.length
    if (bytes > bodyBytesMax) return undefined
    pieces.push(piece)
  }
  return Buffer.concat(pieces)
}
