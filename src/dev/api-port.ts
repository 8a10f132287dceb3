import { once } from 'node:events'
import { createServer } from 'node:net'
import { freePort } from './ports.ts'

/** The API's usual port where nobody has it on this address, else a free one: two clones may run side by side. */
export async function freeApiPort(host: string, usual = 8080): Promise<number> {
  const server = createServer()
  try {
    server.listen({ host, port: usual })
    await once(server, 'listening')
  } catch {
    return freePort()
  }
  server.close()
  await once(server, 'close')
  return usual
}
