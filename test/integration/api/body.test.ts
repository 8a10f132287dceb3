import { once } from 'node:events'
import { createServer } from 'node:http'
import { connect, type AddressInfo } from 'node:net'
import { expect, it } from 'vitest'
import { bodyLimits, readJsonBody } from '../../../src/api/body.ts'
import { ClientGone } from '../../../src/api/problem.ts'
import { systemClock } from '../../../src/shared/process/clock.ts'

it('is given up as soon as its sender is gone', async () => {
  const { promise: outcome, resolve } = Promise.withResolvers<unknown>()
  const server = createServer((request) => {
    readJsonBody(request, systemClock, bodyLimits).then(resolve, resolve)
    socket.destroy()
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1')
  socket.write('POST / HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{')
  expect(await outcome).toBeInstanceOf(ClientGone)
  server.close()
})
