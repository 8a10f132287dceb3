import { createHash, createHmac } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Clock } from '../../shared/process/clock.ts'
import { deliver, jsonAnswer, sendSlowly } from './answer.ts'
import { boundedMap } from './bounded-map.ts'
import type { Call } from './calls.ts'
import type { FaultName } from './faults.ts'
import { imageBytes } from './image-faults.ts'
import type { Picture } from './picture/render.ts'

/** A picture that can be fetched. It is drawn when it is asked for. */
interface Asset {
  readonly picture: Picture
  readonly fault: FaultName | undefined
  readonly call: Call
  gets: number
}

export interface Assets {
  /** Path and query under which a picture can be fetched from now on. */
  add(picture: Picture, fault: FaultName | undefined, call: Call, lifeMs: number): string
  /** Answers `GET` and `HEAD` of `/_assets/...`, as strictly as an asset host would. */
  serve(request: IncomingMessage, response: ServerResponse, url: URL): Promise<void>
}

const folder = '/_assets/generations/'
/** Signs links. No secret: the simulator is for the machine it runs on. */
const signingKey = 'cratework simulator'
const assetsMax = 100_000
const promptBytesMax = 64_000_000

export function createAssets(clock: Clock): Assets {
  const assets = boundedMap<Asset>(assetsMax, promptBytesMax)
  let last = 0
  return {
    add(picture, fault, call, lifeMs) {
      last += 1
      const name = `img_${createHash('sha256')
        .update(`${String(last)} ${picture.digest}`)
        .digest('hex')
        .slice(0, 20)}`
      assets.set(name, { picture, fault, call, gets: 0 }, picture.prompt.length + 500)
      const expires = String(Math.floor(clock.now() + lifeMs))
      return `${folder}${name}.png?exp=${expires}&sig=${signature(name, expires)}`
    },
    async serve(request, response, url) {
      const name = url.pathname.slice(folder.length).replace(/\.png$/, '')
      const asset = url.pathname.startsWith(folder) ? assets.get(name) : undefined
      if (request.headers.authorization !== undefined) {
        if (asset !== undefined) asset.call.leaked_key = true
        return deliver(response, jsonAnswer(400, { error: 'Only one auth mechanism allowed' }), clock)
      }
      const expires = url.searchParams.get('exp') ?? ''
      if ((request.headers['user-agent'] ?? '') === '') return refuse(response, 403, 'AccessDenied')
      if (url.searchParams.get('sig') !== signature(name, expires))
        return refuse(response, 403, 'SignatureDoesNotMatch')
      if (clock.now() >= Number(expires)) return refuse(response, 403, 'AccessDenied', 'Request has expired')
      if (asset === undefined) return refuse(response, 404, 'NoSuchKey')
      if (request.method === 'GET') asset.gets += 1
      const refused = urlFault(asset, response, url)
      if (!refused) await send(asset, request, response, clock)
    },
  }
}

function signature(name: string, expires: string): string {
  return createHmac('sha256', signingKey).update(`${name} ${expires}`).digest('hex').slice(0, 32)
}

function refuse(response: ServerResponse, status: number, code: string, message = code): void {
  const body = `<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>${code}</Code><Message>${message}</Message></Error>`
  response.writeHead(status, { 'Content-Type': 'application/xml', 'Content-Length': body.length })
  response.end(body)
}

/** Answers in place of the picture where a fault of the link says so. */
function urlFault({ fault, gets }: Asset, response: ServerResponse, url: URL): boolean {
  if (fault === 'url_gone') refuse(response, 410, 'Gone')
  else if (fault === 'url_404_once' && gets <= 1) refuse(response, 404, 'NoSuchKey')
  else if (fault === 'url_5xx_once' && gets <= 1) refuse(response, 503, 'SlowDown')
  else if (fault === 'url_redirect_loop') response.writeHead(302, { Location: url.pathname + url.search }).end()
  else return false
  return true
}

async function send(asset: Asset, request: IncomingMessage, response: ServerResponse, clock: Clock): Promise<void> {
  const whole = imageBytes(asset.picture, asset.fault)
  const etag = `"${createHash('md5').update(whole).digest('hex')}"`
  const range =
    request.headers['if-range'] === undefined || request.headers['if-range'] === etag
      ? rangeOf(request, whole.length)
      : undefined
  const headers = { 'Content-Type': 'image/png', ETag: etag, 'Accept-Ranges': 'bytes', 'Cache-Control': 'private' }
  if (request.headers['if-none-match'] === etag) {
    response.writeHead(304, headers).end()
    return
  }
  if (range === 'unsatisfiable') {
    response.writeHead(416, { 'Content-Range': `bytes */${String(whole.length)}` }).end()
    return
  }
  const [from, to] = range ?? [0, whole.length]
  const part = whole.subarray(from, to)
  response.writeHead(range === undefined ? 200 : 206, {
    ...headers,
    'Content-Length': part.length,
    ...(range === undefined
      ? {}
      : { 'Content-Range': `bytes ${String(from)}-${String(to - 1)}/${String(whole.length)}` }),
  })
  if (request.method === 'HEAD') {
    response.end()
    return
  }
  asset.call.asset_downloads += 1
  if (asset.fault === 'url_slow') await sendSlowly(response, part, clock)
  else if (asset.fault === 'url_short' && part.length > 1)
    response.write(part.subarray(0, Math.ceil(part.length / 2)), () => response.destroy())
  else response.end(part)
}

/** The one range of bytes that is asked for (RFC 9110, section 14), as from and to; undefined: all of them. */
function rangeOf(request: IncomingMessage, length: number): readonly [number, number] | 'unsatisfiable' | undefined {
  const match = /^bytes=([0-9]*)-([0-9]*)$/.exec(request.headers.range ?? '')
  const [, first = '', last = ''] = match ?? []
  if (first === '' && last === '') return undefined
  const from = first === '' ? Math.max(0, length - Number(last)) : Number(first)
  const to = first === '' || last === '' ? length : Math.min(length, Number(last) + 1)
  return from >= length || from >= to ? 'unsatisfiable' : [from, to]
}
