import { once } from 'node:events'
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'

/** An address that a variable names cannot be listened on. The process ends with exit code 2 and this message. */
export class ListenFault extends Error {
  /** `EADDRINUSE` where another process has the port. */
  readonly code: string

  constructor(message: string, code: string, cause: unknown) {
    super(message, { cause })
    this.name = 'ListenFault'
    this.code = code
  }
}

const reasons: Readonly<Record<string, string>> = {
  EADDRINUSE: 'the port is in use',
  EACCES: 'this account may not listen there',
  EADDRNOTAVAIL: 'no such address on this machine',
  ENOTFOUND: 'no such address on this machine',
}

/** Listens, and gives the port (0 took a free one). Throws `ListenFault` naming the variable. */
export async function listen(
  server: Server,
  where: { readonly host: string; readonly port: number; readonly variable: 'PORT' | 'METRICS_PORT' },
): Promise<number> {
  try {
    server.listen({ host: where.host, port: where.port })
    await once(server, 'listening')
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? 'UNKNOWN'
    const at = `${where.host}:${String(where.port)}`
    throw new ListenFault(`${where.variable}: cannot listen on ${at}: ${reasons[code] ?? code}`, code, error)
  }
  return (server.address() as AddressInfo).port
}
