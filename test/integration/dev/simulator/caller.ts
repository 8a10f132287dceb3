import { onTestFinished } from 'vitest'
import { Agent, request } from 'undici'
import { startSimulator, type SimulatorOptions } from '../../../../src/dev/simulator/server.ts'

export const schnell = 'black-forest-labs/FLUX.1-schnell'
export const goodKey = 'rc_live_test00000001'

export interface Reply {
  readonly status: number
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly bytes: Buffer
  /** The body as JSON; throws where it is none. */
  json(): never
}

/** A simulator without limit and latency, and what a client does to it. Ends with the test. */
export async function startCaller(options: Partial<SimulatorOptions> = {}) {
  const simulator = await startSimulator({ port: 0, rateLimit: 0, latencyMs: 0, ...options })
  const agent = new Agent({ keepAliveTimeout: 1000 })
  onTestFinished(async () => {
    await agent.destroy()
    await simulator.stop()
  })
  const origin = new URL(simulator.baseUrl).origin

  const send = async (
    method: 'GET' | 'HEAD' | 'PUT' | 'POST' | 'DELETE',
    url: string,
    more: { headers?: Record<string, string>; body?: string; signal?: AbortSignal } = {},
  ): Promise<Reply> => {
    const { statusCode, headers, body } = await request(new URL(url, origin), { method, dispatcher: agent, ...more })
    const bytes = Buffer.from(await body.arrayBuffer())
    return { status: statusCode, headers, bytes, json: () => JSON.parse(bytes.toString()) as never }
  }
  return {
    simulator,
    send,
    /** `POST /v1/images/generations` with this body, or a prompt for FLUX.1-schnell. */
    call: (
      body: object | string,
      {
        key = goodKey,
        headers = {},
        signal,
      }: { key?: string; headers?: Record<string, string>; signal?: AbortSignal } = {},
    ) =>
      send('POST', '/v1/images/generations', {
        headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json', ...headers },
        body: JSON.stringify(typeof body === 'string' ? { model: schnell, prompt: body } : body),
        ...(signal === undefined ? {} : { signal }),
      }),
    /** Fetches a picture as a client has to: with a user agent, without the key. */
    download: (url: string, headers: Record<string, string> = {}) =>
      send('GET', url, { headers: { 'user-agent': 'test', ...headers } }),
    control: (method: 'GET' | 'PUT' | 'POST' | 'DELETE', path: string, body?: object) =>
      send(method, `/_sim${path}`, body === undefined ? {} : { body: JSON.stringify(body) }),
  }
}

export interface GenerationBody {
  readonly created: number
  readonly data: readonly { readonly url: string | null; readonly b64_json: string | null }[]
}

/** The one link of an answer. Throws where there is none. */
export function linkOf(reply: Reply): string {
  const body: GenerationBody = reply.json()
  const url = body.data[0]?.url
  if (typeof url !== 'string') throw new Error(`no link in ${reply.bytes.toString()}`)
  return url
}

export interface ErrorReply {
  readonly error: { readonly code: string; readonly type: string; readonly message: string; readonly param?: string }
}

export function errorOf(reply: Reply): ErrorReply['error'] {
  const body: ErrorReply = reply.json()
  return body.error
}
