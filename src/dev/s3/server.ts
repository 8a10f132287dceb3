import { once } from 'node:events'
import { mkdirSync } from 'node:fs'
import { createServer } from 'node:http'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { systemClock } from '../../shared/process/clock.ts'
import type { Clock } from '../../shared/process/clock.ts'
import { openBodies } from './bodies.ts'
import { S3Error } from './errors.ts'
import { openIndex } from './object-index.ts'
import type { Answer, Disk } from './objects.ts'
import { parseRequest } from './request.ts'
import { addBucket, answer } from './routes.ts'
import { openVerifier } from './signature.ts'
import type { Credentials } from './signature.ts'
import { document, elements } from './xml.ts'

export interface S3Options extends Credentials {
  /** Where everything is kept; one server at a time. */
  readonly folder: string
  /** 0: any free port. */
  readonly port: number
  /** Made where they are missing. */
  readonly buckets: readonly string[]
  readonly clock?: Pick<Clock, 'now'>
}

export interface S3Server extends AsyncDisposable {
  /** `http://127.0.0.1:port`, for path style. */
  readonly endpoint: string
  /** May be called twice. */
  stop(): Promise<void>
}

/** Longer than clients keep an idle connection, so that none is closed under a request on its way. */
const keepAliveMs = 75_000

/**
 * Starts a small S3 for one machine, on the loopback interface alone: the calls that Cratework makes, as S3 answers
 * them. What it has acknowledged outlives its process, killed or not. Any region is taken. An ETag is the SHA-256 of
 * the body in hex: that is computed anyway to check the signature, costs less than MD5, changes with the content alone
 * (as S3's does, so that code relying on more is seen to fail), and nobody takes it for an MD5.
 * Throws where the folder is in use or the port is taken.
 */
export async function startS3(options: S3Options): Promise<S3Server> {
  mkdirSync(options.folder, { recursive: true })
  const index = openFolder(options.folder)
  const server = createServer({ keepAliveTimeout: keepAliveMs })
  const clock = options.clock ?? systemClock
  try {
    const bodies = openBodies(join(options.folder, 'bodies'))
    const disk: Disk = { index, bodies, now: () => clock.now() }
    bodies.sweep(index.bodies())
    for (const bucket of options.buckets) addBucket(disk, bucket)
    const verify = openVerifier(options)
    server.on('request', (message, response) => {
      void respond(disk, verify, message, response)
    })
    server.listen(options.port, '127.0.0.1')
    await once(server, 'listening')
  } catch (error) {
    index.close()
    throw error
  }

  let stopping: Promise<void> | undefined
  const stop = (): Promise<void> => (stopping ??= stopOnce())
  async function stopOnce(): Promise<void> {
    const closed = once(server, 'close')
    server.close()
    server.closeIdleConnections()
    const timer = setTimeout(() => {
      server.closeAllConnections()
    }, 2000)
    await closed
    clearTimeout(timer)
    index.close()
  }
  const { port } = server.address() as AddressInfo
  return { endpoint: `http://127.0.0.1:${String(port)}`, stop, [Symbol.asyncDispose]: stop }
}

/** Throws where another server holds the folder. */
function openFolder(folder: string): ReturnType<typeof openIndex> {
  try {
    return openIndex(join(folder, 'index.sqlite'))
  } catch (error) {
    if (error instanceof Error && error.message.includes('locked'))
      throw new Error(`another S3 server is using ${folder}`, { cause: error })
    throw error
  }
}

async function respond(
  disk: Disk,
  verify: ReturnType<typeof openVerifier>,
  message: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  let given: Answer
  try {
    given = await answer(disk, verify(parseRequest(message), disk.now()))
  } catch (error) {
    given = refusal(error, message)
    // What was not read would stand in the way of the connection's next request.
    message.resume()
  }
  try {
    await send(given, message, response)
  } catch {
    // The client is gone, or the disk failed in the middle: a cut answer is all that is left to say so.
    response.destroy()
  }
}

function refusal(error: unknown, message: IncomingMessage): Answer {
  const known = error instanceof S3Error ? error : new S3Error('InternalError', String(error))
  const body = document(
    'Error',
    elements({ Code: known.code, Message: known.message, Resource: message.url?.split('?')[0] }),
  )
  return { status: known.status, body }
}

async function send(given: Answer, message: IncomingMessage, response: ServerResponse): Promise<void> {
  const { status, headers, body } = given
  const xml: Record<string, string> = typeof body === 'string' ? { 'content-type': 'application/xml' } : {}
  response.writeHead(status, { ...headers, ...xml })
  if (body === undefined || message.method === 'HEAD') response.end()
  else if (typeof body === 'string' || Buffer.isBuffer(body)) response.end(body)
  else await pipeline(body, response)
}
