import { once } from 'node:events'
import { createServer, request as forward } from 'node:http'
import type { AddressInfo } from 'node:net'

/** What becomes of one call: passed on, answered 503, never answered, or done and its answer lost. */
export type Fate = 'pass' | 'refuse' | 'hang' | 'lose the answer'

export interface S3InBetween extends AsyncDisposable {
  readonly endpoint: string
  /** Decides over each call by method and path (bucket and key, decoded). Changed at will. */
  fate: (method: string, path: string) => Fate
  /** `PUT /bucket/key` of every call, in the order in which they came. */
  readonly calls: string[]
}

/** A go-between for the run's S3 that fails the calls that a test picks. Headers go through as they are: they are signed. */
export async function startS3InBetween(endpoint: string): Promise<S3InBetween> {
  const { hostname, port } = new URL(endpoint)
  const server = createServer((incoming, outgoing) => {
    const method = incoming.method ?? ''
    const path = decodeURIComponent((incoming.url ?? '').split('?')[0] ?? '')
    between.calls.push(`${method} ${path}`)
    const fate = between.fate(method, path)
    if (fate === 'hang') return
    if (fate === 'refuse') {
      incoming.resume()
      outgoing.writeHead(503, { 'content-type': 'application/xml' })
      outgoing.end('<Error><Code>SlowDown</Code></Error>')
      return
    }
    const onward = forward(
      { hostname, port, method, path: incoming.url, headers: incoming.headers, setHost: false },
      (answer) => {
        if (fate === 'lose the answer') {
          answer.resume()
          answer.on('end', () => outgoing.destroy())
          return
        }
        outgoing.writeHead(answer.statusCode ?? 500, answer.headers)
        answer.pipe(outgoing)
      },
    )
    onward.on('error', () => outgoing.destroy())
    incoming.pipe(onward)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const between: S3InBetween = {
    endpoint: `http://127.0.0.1:${String((server.address() as AddressInfo).port)}`,
    fate: () => 'pass',
    calls: [],
    async [Symbol.asyncDispose]() {
      server.close()
      server.closeAllConnections()
      await once(server, 'close')
    },
  }
  return between
}
