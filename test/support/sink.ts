import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Webhook } from 'standardwebhooks'

export interface Received {
  readonly id: string
  readonly type: string
  readonly data: Record<string, unknown>
  /** The exact bytes. */
  readonly body: string
  readonly headers: Readonly<Record<string, string>>
  /** The signature holds over the exact bytes, by the public package. */
  readonly verified: boolean
}

export interface Sink extends AsyncDisposable {
  readonly url: string
  readonly received: Received[]
  /** What the next requests are answered with; 200 when the list is used up. */
  answerNext(...statuses: number[]): void
}

/** A receiver of webhooks, as a shop would write one: it judges each delivery by the public library. */
export async function startSink(secret: string): Promise<Sink> {
  const received: Received[] = []
  const answers: number[] = []
  const webhook = new Webhook(secret)
  const server = createServer((request, response) => {
    const parts: Buffer[] = []
    request.on('data', (part: Buffer) => parts.push(part))
    request.on('end', () => {
      const body = Buffer.concat(parts).toString()
      const headers = Object.fromEntries(Object.entries(request.headers).map(([name, value]) => [name, String(value)]))
      let verified = true
      try {
        webhook.verify(body, headers)
      } catch {
        verified = false
      }
      const { type, data } = JSON.parse(body) as { type: string; data: Record<string, unknown> }
      received.push({ id: headers['webhook-id'] ?? '', type, data, body, headers, verified })
      response.writeHead(answers.shift() ?? 200).end()
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `http://127.0.0.1:${String((server.address() as AddressInfo).port)}/hook`,
    received,
    answerNext(...statuses) {
      answers.push(...statuses)
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}
