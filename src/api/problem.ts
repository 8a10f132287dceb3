import type { ErrorRequestHandler } from 'express'
import { faultEntry } from '../shared/contract/fault.ts'
import { ApiProblem } from '../shared/contract/problem.ts'
import { Failure } from '../shared/failures/failure.ts'
import { DeadlinePassed } from '../shared/process/deadline.ts'
import type { Log } from '../shared/process/log.ts'
import { isRedisAway } from '../shared/redis/away.ts'

export interface ProblemAnswer {
  readonly status: number
  readonly headers: Record<string, string>
  readonly body: string
}

/** What a client of either kind reads: RFC 9457's members, and OpenAI's `error`. */
export function problemAnswer(problem: ApiProblem, requestId: string): ProblemAnswer {
  const body = JSON.stringify({
    type: `https://cratework.dev/problems/${problem.problem}`,
    title: problem.title,
    status: problem.status,
    detail: problem.message,
    request_id: requestId,
    error: {
      message: problem.message,
      type: openaiType(problem.status),
      code: problem.code,
      param: problem.param ?? null,
    },
    ...(problem.faults.length === 0 ? {} : { errors: problem.faults.map(faultEntry) }),
  })
  return {
    status: problem.status,
    body,
    headers: {
      'content-type': 'application/problem+json',
      'content-length': String(Buffer.byteLength(body)),
      ...(problem.retryAfterS === undefined ? {} : { 'retry-after': String(problem.retryAfterS) }),
      ...(problem.allow === undefined ? {} : { allow: problem.allow.join(', ') }),
      ...(problem.status === 401 ? { 'www-authenticate': 'Bearer realm="cratework"' } : {}),
    },
  }
}

function openaiType(status: number): string {
  if (status === 401) return 'authentication_error'
  if (status === 403) return 'permission_error'
  if (status === 429) return 'rate_limit_error'
  return status >= 500 ? 'server_error' : 'invalid_request_error'
}

/** Whoever called and is not there any more: nothing is answered. */
export class ClientGone extends Error {}

/** Any error of a request as the problem that is answered. What nobody foresaw is a bug: logged, and told as 500. */
export function toProblem(error: unknown, log: Log): ApiProblem {
  if (error instanceof ApiProblem) return error
  const away = whatIsAway(error)
  if (away !== undefined) {
    log.warn({ err: error }, `${away} is away: answering 503`)
    return new ApiProblem({
      problem: 'unavailable',
      detail: `${away} cannot be reached at the moment. Nothing was kept; try again.`,
      retryAfterS: 2,
      cause: error,
    })
  }
  // Express throws this of its own for a path with a broken percent sign.
  if (error instanceof URIError) {
    return new ApiProblem({ problem: 'bad_request', detail: 'The path cannot be decoded.', cause: error })
  }
  log.error({ err: error }, 'a request failed for a reason that nobody foresaw')
  return new ApiProblem({
    problem: 'internal_error',
    detail: 'Something went wrong here. The request id finds it in the log.',
    cause: error,
  })
}

function whatIsAway(error: unknown): 'The storage' | 'The engine' | undefined {
  if (error instanceof Failure && error.class === 'storage_closed') return 'The storage'
  const engine = error instanceof DeadlinePassed || (error instanceof Failure && error.class === 'engine_away')
  return engine || isRedisAway(error) ? 'The engine' : undefined
}

/** The last handler of the app: every error of a request ends here. */
export function problemHandler(log: Log): ErrorRequestHandler {
  return (error: unknown, _request, response, _next) => {
    const requestId = String(response.getHeader('x-request-id'))
    if (error instanceof ClientGone || response.headersSent) {
      if (!(error instanceof ClientGone)) log.warn({ err: error, request_id: requestId }, 'an answer was cut short')
      response.destroy()
      return
    }
    const { status, headers, body } = problemAnswer(toProblem(error, log.child({ request_id: requestId })), requestId)
    response.writeHead(status, headers).end(body)
  }
}
