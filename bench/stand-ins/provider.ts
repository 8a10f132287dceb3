import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { json } from 'node:stream/consumers'
import { z } from 'zod'
import { answerParent } from '../child.ts'
import { pictureOf } from './picture.ts'

// The provider as the bench has it, in a process of its own: every call is answered at once with one of a few constant
// images. The simulator of `src/dev` draws each picture, keeps each call and counts a rate; on a machine of few cores
// that would take the time that is to be measured. Arguments: a `side:bytes` for each image. Says `{ baseUrl }`.

const call = z.object({ width: z.number(), response_format: z.enum(['url', 'b64_json']) })

/** Image and answers of one size, ready to send. */
interface Prepared {
  readonly png: Buffer
  readonly answers: Readonly<Record<'url' | 'b64_json', Buffer>>
}

const prepared = new Map<number, Prepared>()

async function generate(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const asked = call.parse(await json(request))
  const body = prepared.get(asked.width)?.answers[asked.response_format]
  if (body === undefined) throw new Error(`no image of width ${String(asked.width)}`)
  response.writeHead(200, {
    'content-type': 'application/json',
    'content-length': body.length,
    'x-ratelimit-limit': '1000000',
    'x-ratelimit-remaining': '999999',
  })
  response.end(body)
}

function sendImage(side: string, response: ServerResponse): void {
  const png = prepared.get(Number(side))?.png
  response.writeHead(png === undefined ? 404 : 200, { 'content-type': 'image/png', 'content-length': png?.length ?? 0 })
  response.end(png)
}

const server = createServer((request, response) => {
  const side = /^\/images\/(\d+)\.png$/.exec(request.url ?? '')?.[1]
  if (side !== undefined) {
    sendImage(side, response)
    return
  }
  generate(request, response).catch((error: unknown) => {
    response.writeHead(422).end(String(error))
  })
})
server.keepAliveTimeout = 75_000
await new Promise<void>((resolve) => {
  server.listen(0, '127.0.0.1', resolve)
})
const origin = `http://127.0.0.1:${String((server.address() as AddressInfo).port)}`
for (const argument of process.argv.slice(2)) {
  const [side = 0, bytes = 0] = argument.split(':').map(Number)
  const png = await pictureOf(side, bytes)
  const answer = (datum: object): Buffer => Buffer.from(JSON.stringify({ created: 1_700_000_000, data: [datum] }))
  prepared.set(side, {
    png,
    answers: {
      url: answer({ url: `${origin}/images/${String(side)}.png`, b64_json: null }),
      b64_json: answer({ url: null, b64_json: png.toString('base64') }),
    },
  })
}
answerParent({ baseUrl: `${origin}/v1` }, () => Promise.reject(new Error('the provider takes no orders')))
