import express, { type Express, type RequestHandler } from 'express'
import helmet from 'helmet'
import { ApiProblem } from '../shared/contract/problem.ts'
import type { Parts } from '../shared/parts/open.ts'
import type { Clock } from '../shared/process/clock.ts'
import type { Readiness } from '../shared/process/health.ts'
import type { BodyLimits } from './body.ts'
import { problemHandler } from './problem.ts'
import { requestId } from './request-id.ts'
import { mountRoutes, noteAnswer } from './route.ts'
import { getBatch, getBatches } from './routes/batches.ts'
import { patchBatch, postCancel, postPause, postResume, postRetry } from './routes/control.ts'
import { livez, readyz } from './routes/health.ts'
import { getItems } from './routes/items.ts'
import { getResults } from './routes/results.ts'
import { submitBatch } from './routes/submit.ts'

/** What runs before each route, in order; then all routes; then what is left. */
export function createApp(parts: Parts, readiness: Readiness, limits: BodyLimits): Express {
  const app = express()
  app.disable('x-powered-by')
  app.disable('etag')
  app.enable('strict routing')
  app.enable('case sensitive routing')
  app.set('query parser', false)

  app.use(requestId(parts.random))
  app.use(securityHeaders)
  app.use(letGoOfUnread(parts.clock))
  app.use(hostNeeded)

  mountRoutes(app, parts, [
    submitBatch(parts, limits),
    getBatches(parts),
    getBatch(parts),
    patchBatch(parts),
    postCancel(parts),
    postPause(parts),
    postResume(parts),
    postRetry(parts),
    getItems(parts),
    getResults(parts),
    livez,
    readyz(parts, readiness),
  ])

  app.use((request, response) => {
    noteAnswer(parts, 'unknown', request, response)
    throw new ApiProblem({ problem: 'not_found', detail: 'There is nothing at this address.' })
  })
  app.use(problemHandler(parts.log))
  return app
}

const helmetHeaders = helmet({
  contentSecurityPolicy: { useDefaults: false, directives: { defaultSrc: ["'none'"], frameAncestors: ["'none'"] } },
})

/** Answers hold links that are worth money for an hour: nobody on the way keeps them. */
const securityHeaders: RequestHandler = (request, response, next) => {
  response.setHeader('cache-control', 'no-store')
  helmetHeaders(request, response, next)
}

const unreadMs = 5_000

/**
 * An answer may come before the whole body has (413, 401). Node then reads on and throws away; whoever is still sending
 * after 5 s is cut off, since an upload has no total time otherwise.
 */
function letGoOfUnread(clock: Clock): RequestHandler {
  return (request, response, next) => {
    response.once('finish', () => {
      if (request.complete) return
      void clock.sleep(unreadMs).then(() => {
        if (!request.complete) request.socket.destroy()
      })
    })
    next()
  }
}

/** RFC 9112, 3.2. Node would answer this by itself, and not as a problem. */
const hostNeeded: RequestHandler = (request, _response, next) => {
  if (request.httpVersion === '1.1' && request.headers.host === undefined) {
    throw new ApiProblem({ problem: 'bad_request', detail: 'The Host header is missing.' })
  }
  next()
}
