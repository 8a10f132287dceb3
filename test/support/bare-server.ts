import { once } from 'node:events'
import { createServer } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'

export interface BareServer extends AsyncDisposable {
  readonly origin: string
  readonly port: number
  /** Every connection that was made, whether or not it sent anything. */
  connections: number
  /** Each request as it came: head and body. */
  readonly requests: string[]
}

/**
 * A server below HTTP, for what no well-behaved one does: cut, hang, drip, lie about lengths. `answer` gets each whole
 * request, its socket and how many came before it; what it returns is written, nothing where it returns undefined.
 */
export async function bareServer(
  answer: (request: string, socket: Socket, nth: number) => string | Buffer | undefined,
  host = '127.0.0.1',
): Promise<BareServer> {
  const sockets = new Set<Socket>()
  const requests: string[] = []
  const server = createServer((socket) => {
    bare.connections += 1
    sockets.add(socket)
    let received = Buffer.alloc(0)
    socket.on('error', () => undefined)
    socket.on('close', () => sockets.delete(socket))
    socket.on('data', (chunk) => {
      received = Buffer.concat([received, chunk])
      const text = received.toString('latin1')
      const headEnd = text.indexOf('\r\n\r\n')
      const bodyLength = Number(/content-length: (\d+)/i.exec(text)?.[1] ?? 0)
      if (headEnd === -1 || received.length < headEnd + 4 + bodyLength) return
      received = Buffer.alloc(0)
      requests.push(text)
      const written = answer(text, socket, requests.length - 1)
      if (written !== undefined && !socket.destroyed) socket.write(written)
    })
  })
  server.listen(0, host)
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const bare: BareServer = {
    origin: `http://${host.includes(':') ? `[${host}]` : host}:${String(port)}`,
    port,
    connections: 0,
    requests,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      server.close()
      await once(server, 'close')
    },
  }
  return bare
}

/** A whole, honest answer. */
export function httpAnswer(status: number, headers: Record<string, string>, body: string | Buffer = ''): Buffer {
  const bytes = Buffer.from(body)
  const lines = Object.entries({ 'content-length': String(bytes.length), ...headers }).map(([k, v]) => `${k}: ${v}\r\n`)
  return Buffer.concat([Buffer.from(`HTTP/1.1 ${String(status)} X\r\n${lines.join('')}\r\n`), bytes])
}
