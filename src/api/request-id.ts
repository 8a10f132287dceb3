import type { RequestHandler } from 'express'
import type { Random } from '../shared/process/random.ts'

export function newRequestId(random: Random): string {
  return `req_${random.bytes(12).toString('hex')}`
}

/** Every answer carries an id of its own, which the log has too. */
export function requestId(random: Random): RequestHandler {
  return (_request, response, next) => {
    response.setHeader('x-request-id', newRequestId(random))
    next()
  }
}
