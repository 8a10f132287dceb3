import { once } from 'node:events'
import { createServer } from 'node:net'
import { Agent } from 'undici'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { exchange } from '../../../../src/shared/outbound/exchange.ts'
import { guardedConnector } from '../../../../src/shared/outbound/guard.ts'
import { OutboundError } from '../../../../src/shared/outbound/outbound-error.ts'
import { systemClock } from '../../../../src/shared/process/clock.ts'
import { httpAnswer } from '../../../support/bare-server.ts'
import type { AddressInfo } from 'node:net'
import type { Reach, ResolveAll } from '../../../../src/shared/outbound/guard.ts'

// One server on every address of this machine, so that whatever gets through is seen.
const server = createServer((socket) => {
  connections += 1
  socket.on('error', () => undefined)
  socket.on('data', () => socket.end(httpAnswer(200, { connection: 'close' }, 'reached')))
})
let connections = 0
let port = 0

beforeAll(async () => {
  server.listen(0, '::')
  await once(server, 'listening')
  port = (server.address() as AddressInfo).port
})

afterAll(() => {
  server.close()
})

/** What the connector alone does with a URL: no rule about its text stands before it. */
async function reach(host: string, how: Reach, resolveAll?: ResolveAll): Promise<string> {
  const agent = new Agent({ connect: guardedConnector(how, { resolveAll, onConnect: () => () => undefined }) })
  try {
    const answer = await exchange(
      { dispatcher: agent, clock: systemClock },
      {
        url: new URL(`http://${host}:${String(port)}/`),
        method: 'GET',
        headers: {},
        connectTimeoutMs: 2_000,
        totalTimeoutMs: 2_000,
        maxBytes: 100,
      },
    )
    return answer.body.toString()
  } catch (error) {
    return error instanceof OutboundError ? error.reason : String(error)
  } finally {
    await agent.destroy()
  }
}

const answering = (...addresses: string[]): ResolveAll => {
  return (_hostname, done) => {
    const found = addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 }))
    setImmediate(() => {
      done(null, found)
    })
  }
}

const spellings = [
  '127.0.0.1', '127.0.0.2', '127.1', '127.0.1', '127.0.0.1.', '0', '0.0.0.0', '2130706433', '0x7f000001', '0x7f.1',
  '0177.0.0.1', '017700000001', '127。0。0。1', '①②⑦.0.0.1', '%31%32%37.0.0.1', 'localhost', '[::1]',
  '[::]', '[0:0:0:0:0:0:0:1]', '[::ffff:127.0.0.1]', '[::ffff:7f00:1]', '[::127.0.0.1]', '[::7f00:1]',
  '[64:ff9b::7f00:1]', '[2002:7f00:1::]', '[2001:0:7f00:1::]',
] // prettier-ignore
const inside = ['169.254.169.254', '[fd00:ec2::254]', '168.63.129.16', '100.100.100.200', '10.0.0.1', '192.168.0.1']

describe('guardedConnector', () => {
  it('lets the operator reach this very server: the control for all that follows', async () => {
    const before = connections
    expect(await reach('127.0.0.1', 'anywhere')).toBe('reached')
    expect(await reach('127.0.0.1', 'private')).toBe('reached')
    expect(await reach('localhost', 'private')).toBe('reached')
    expect(connections).toBeGreaterThanOrEqual(before + 3)
  })

  it.each([...spellings, ...inside])('refuses %s to the public without a connection', async (host) => {
    const before = connections
    expect(await reach(host, 'public')).toBe('forbidden_address')
    expect(connections).toBe(before)
  })

  it.each(['127.0.0.1', '::1', '169.254.169.254', '::ffff:127.0.0.1', '10.0.0.1', 'fd00:ec2::254'])(
    'refuses a public name that DNS points to %s',
    async (address) => {
      const before = connections
      expect(await reach('shop.example', 'public', answering(address))).toBe('forbidden_address')
      expect(connections).toBe(before)
    },
  )

  it('refuses a name with one bad address among good ones, in any order', async () => {
    const before = connections
    expect(await reach('shop.example', 'private', answering('127.0.0.1', '169.254.169.254'))).toBe('forbidden_address')
    expect(await reach('shop.example', 'private', answering('169.254.169.254', '127.0.0.1'))).toBe('forbidden_address')
    expect(connections).toBe(before)
  })

  it('connects to the address that it tested, so a name bound anew gains nothing', async () => {
    const answers = [['127.0.0.1'], ['169.254.169.254']]
    let asked = 0
    const rebinding: ResolveAll = (hostname, done) => {
      answering(...(answers[asked] ?? []))(hostname, done)
      asked += 1
    }
    expect(await reach('rebind.example', 'private', rebinding)).toBe('reached')
    expect(asked).toBe(1)
    expect(await reach('rebind.example', 'private', rebinding)).toBe('forbidden_address')
    expect(asked).toBe(2)
  })

  it('calls a name that leads nowhere a failed connection', async () => {
    expect(await reach('shop.example', 'public', answering())).toBe('connect')
    const failing: ResolveAll = (_hostname, done) => {
      done(Object.assign(new Error('no such name'), { code: 'ENOTFOUND' }), [])
    }
    expect(await reach('shop.example', 'public', failing)).toBe('connect')
  })
})
