import { Agent, request } from 'undici'
import type { BatchObject } from '../../shared/contract/batch-object.ts'
import type { ResultLine } from '../../shared/contract/result.ts'

/** The API as any client sees it: HTTP, a key, and what docs/api.md promises. */
export interface ApiClient extends AsyncDisposable {
  submit(body: object): Promise<BatchObject>
  batch(id: string): Promise<BatchObject>
  results(id: string): Promise<ResultLine[]>
  /** The bytes behind a link of the results. */
  download(url: string): Promise<Buffer>
}

/** The API, or the store behind a link, answered otherwise than with 2xx. */
export class AnswerFault extends Error {
  readonly status: number

  constructor(what: string, status: number, detail: string) {
    super(`${what} was answered with ${String(status)}${detail === '' ? '' : `: ${detail}`}`)
    this.name = 'AnswerFault'
    this.status = status
  }
}

export function openClient(url: string, apiKey: string): ApiClient {
  // Of its own, and so without whatever proxy the environment names for the world outside.
  const dispatcher = new Agent()
  const authorization = `Bearer ${apiKey}`

  async function call(method: 'GET' | 'POST', path: string, body?: object): Promise<string> {
    const headers = { authorization, 'content-type': 'application/json' }
    const sent = body === undefined ? {} : { body: JSON.stringify(body) }
    const answer = await request(`${url}${path}`, { dispatcher, method, headers, ...sent })
    const text = await answer.body.text()
    if (answer.statusCode < 200 || answer.statusCode > 299)
      throw new AnswerFault(`${method} ${path}`, answer.statusCode, detailOf(text))
    return text
  }

  return {
    submit: async (body) => JSON.parse(await call('POST', '/v1/batches', body)) as BatchObject,
    batch: async (id) => JSON.parse(await call('GET', `/v1/batches/${id}`)) as BatchObject,
    async results(id) {
      const text = await call('GET', `/v1/batches/${id}/results`)
      const lines = text.split('\n').filter((line) => line !== '')
      return lines.map((line) => JSON.parse(line) as ResultLine)
    },
    async download(link) {
      const answer = await request(link, { dispatcher })
      const bytes = Buffer.from(await answer.body.arrayBuffer())
      if (answer.statusCode !== 200) throw new AnswerFault(`GET ${new URL(link).pathname}`, answer.statusCode, '')
      return bytes
    },
    [Symbol.asyncDispose]: async () => {
      await dispatcher.close()
    },
  }
}

/** `detail` of a problem (RFC 9457), where the answer is one. */
function detailOf(text: string): string {
  try {
    const problem: unknown = JSON.parse(text)
    if (typeof problem !== 'object' || problem === null) return ''
    const detail: unknown = Reflect.get(problem, 'detail')
    return typeof detail === 'string' ? detail : ''
  } catch {
    return ''
  }
}
