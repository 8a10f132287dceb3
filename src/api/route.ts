import type { Express, Request, Response } from 'express'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { ApiProblem } from '../shared/contract/problem.ts'
import type { Parts } from '../shared/parts/open.ts'
import { authenticate, type Scope } from './auth.ts'
import { ClientGone } from './problem.ts'

/** One request to a route, as its handler sees it. */
export interface Call {
  /** Empty on a public route. */
  readonly tenant: string
  /** `{id}` of the path. */
  readonly id: string
  readonly query: URLSearchParams
  readonly request: Request
}

export interface Answer {
  readonly status: number
  readonly headers?: Readonly<Record<string, string>>
  /** JSON, or lines of JSON as they become known. */
  readonly body: string | object | AsyncIterable<string>
}

export interface Route {
  readonly method: 'GET' | 'POST' | 'PATCH'
  readonly path: string
  /** Undefined: open to everybody. */
  readonly scope: Scope | undefined
  handle(call: Call): Promise<Answer>
}

/** Serves the routes. A path that is known for other methods answers 405 and names them; HEAD is GET without a body. */
export function mountRoutes(app: Express, parts: Parts, routes: readonly Route[]): void {
  const paths = new Map<string, Route[]>()
  for (const route of routes) paths.set(route.path, [...(paths.get(route.path) ?? []), route])
  for (const [path, atPath] of paths) {
    app.all(path, (request, response) => {
      noteAnswer(parts, path, request, response)
      return answerCall(parts, atPath, request, response)
    })
  }
}

async function answerCall(parts: Parts, atPath: readonly Route[], request: Request, response: Response): Promise<void> {
  const method = request.method === 'HEAD' ? 'GET' : request.method
  const route = atPath.find((one) => one.method === method)
  if (route === undefined) throw methodNotAllowed(atPath)
  const { scope } = route
  const id = request.params['id']
  const answer = await route.handle({
    tenant: scope === undefined ? '' : authenticate(parts.config, request.headers.authorization, scope).tenant,
    id: typeof id === 'string' ? id : '',
    query: new URLSearchParams(request.url.split('?').slice(1).join('?')),
    request,
  })
  await send(response, answer)
}

function methodNotAllowed(atPath: readonly Route[]): ApiProblem {
  const allow = atPath.flatMap(({ method }) => (method === 'GET' ? ['GET', 'HEAD'] : [method]))
  return new ApiProblem({ problem: 'method_not_allowed', detail: `Here one may ${allow.join(', ')}.`, allow })
}

async function send(response: Response, { status, headers, body }: Answer): Promise<void> {
  if (typeof body === 'object' && Symbol.asyncIterator in body) {
    await sendLines(response, status, headers, body)
    return
  }
  const text = typeof body === 'string' ? body : JSON.stringify(body)
  response.writeHead(status, {
    'content-type': 'application/json',
    'content-length': String(Buffer.byteLength(text)),
    ...headers,
  })
  response.end(text)
}

/** At most so many characters of lines are put together for one write. */
const charactersAtOnce = 64 * 1024

async function sendLines(
  response: Response,
  status: number,
  headers: Answer['headers'],
  lines: AsyncIterable<string>,
): Promise<void> {
  const blocks = inBlocks(lines)
  // What fails before the first line is still told by a status.
  const first = await blocks.next()
  response.writeHead(status, { 'content-type': 'application/x-ndjson', ...headers })
  if (response.req.method === 'HEAD' || first.done === true) {
    await blocks.return(undefined)
    response.end()
    return
  }
  async function* all(): AsyncGenerator<string> {
    yield String(first.value)
    yield* blocks
  }
  try {
    await pipeline(Readable.from(all(), { objectMode: true, highWaterMark: 1 }), response)
  } catch (error) {
    // The connection is cut by now: that is how the client learns that lines are missing.
    throw (error as NodeJS.ErrnoException).code === 'ERR_STREAM_PREMATURE_CLOSE' ? new ClientGone() : error
  }
}

async function* inBlocks(lines: AsyncIterable<string>): AsyncGenerator<string> {
  let block: string[] = []
  let characters = 0
  for await (const line of lines) {
    block.push(line)
    characters += line.length
    if (characters < charactersAtOnce) continue
    yield block.join('')
    block = []
    characters = 0
  }
  if (block.length > 0) yield block.join('')
}

/** Counts and logs an answer when it is over, however it ended. The query is left out: it may hold a key by mistake. */
export function noteAnswer(parts: Parts, route: string, request: Request, response: Response): void {
  const startedMs = parts.clock.monotonic()
  response.once('close', () => {
    const whole = response.writableFinished
    const status = whole ? response.statusCode : 499 // the caller left, as nginx has it
    const durationMs = parts.clock.monotonic() - startedMs
    const { method } = request
    parts.metrics.httpRequest({ method, route, status, durationMs })
    parts.log[route.startsWith('/v1') ? 'info' : 'debug'](
      {
        request_id: response.getHeader('x-request-id'),
        method,
        path: request.path.slice(0, 200),
        status,
        duration_ms: Math.round(durationMs),
      },
      'answered',
    )
  })
}
