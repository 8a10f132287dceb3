import { once } from 'node:events'
import { createServer, type AddressInfo } from 'node:net'
import { describe, expect, it } from 'vitest'
import { freeApiPort } from '../../../src/dev/api-port.ts'

describe('the port of the API', () => {
  it('is the usual one where nobody has it, else a free one', async () => {
    const server = createServer().listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address() as AddressInfo
    const other = await freeApiPort('127.0.0.1', port)
    expect(other).toBeGreaterThan(0)
    expect(other).not.toBe(port)

    server.close()
    await once(server, 'close')
    expect(await freeApiPort('127.0.0.1', port)).toBe(port)
  })
})
