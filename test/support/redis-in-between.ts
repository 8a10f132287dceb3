import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'

export interface RedisInBetween extends AsyncDisposable {
  readonly url: string
  /** From now on commands arrive and nothing comes back: a Redis that hangs, behind a connection that stands. */
  hang(): void
}

/** A go-between for the run's Redis. */
export async function startRedisInBetween(redisUrl: string): Promise<RedisInBetween> {
  const { hostname, port } = new URL(redisUrl)
  const sockets = new Set<Socket>()
  let hanging = false
  const server = createServer((near) => {
    const far = connect(Number(port), hostname)
    for (const socket of [near, far]) {
      sockets.add(socket)
      socket.on('error', () => undefined)
    }
    near.on('data', (data) => far.write(data))
    far.on('data', (data) => {
      if (!hanging) near.write(data)
    })
    near.on('close', () => far.destroy())
    far.on('close', () => near.destroy())
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `redis://127.0.0.1:${String((server.address() as AddressInfo).port)}`,
    hang() {
      hanging = true
    },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      server.close()
      await once(server, 'close')
    },
  }
}
