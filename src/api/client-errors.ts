import { STATUS_CODES, type Server, type ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import { ApiProblem } from '../shared/contract/problem.ts'
import type { Random } from '../shared/process/random.ts'
import { problemAnswer } from './problem.ts'
import { newRequestId } from './request-id.ts'

/** Answers what Node's parser refuses before there is a request: as a problem, like everything else, and closes. */
export function answerClientErrors(server: Server, random: Random): void {
  const latest = new WeakMap<Duplex, ServerResponse>()
  server.on('request', (request, response) => {
    latest.set(request.socket, response)
  })
  server.on('clientError', (error: NodeJS.ErrnoException, socket) => {
    const response = latest.get(socket)
    const underWay = response !== undefined && response.headersSent && !response.writableFinished
    if (error.code === 'ECONNRESET' || !socket.writable || underWay) {
      socket.destroy()
      return
    }
    const requestId = newRequestId(random)
    const { status, headers, body } = problemAnswer(problemOf(error.code), requestId)
    const lines = Object.entries({ ...headers, 'x-request-id': requestId, connection: 'close' })
    const head = lines.map(([name, value]) => `${name}: ${value}\r\n`).join('')
    socket.end(`HTTP/1.1 ${String(status)} ${STATUS_CODES[status] ?? ''}\r\n${head}\r\n${body}`)
  })
}

function problemOf(code: string | undefined): ApiProblem {
  switch (code) {
    case 'HPE_HEADER_OVERFLOW':
      return new ApiProblem({
        problem: 'headers_too_large',
        detail: 'The headers are larger than 16 KiB, which is the limit.',
      })
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return new ApiProblem({ problem: 'timeout', detail: 'The headers did not arrive within 10 s.' })
    default:
      return new ApiProblem({ problem: 'bad_request', detail: 'This is not HTTP as it is spoken here.' })
  }
}
