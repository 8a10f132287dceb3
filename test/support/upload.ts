import type { TestApi } from './api.ts'

export interface UploadOptions {
  /** Options of the batch; those that are no text go into `options`. */
  readonly options?: Readonly<Record<string, unknown>>
  readonly headers?: Readonly<Record<string, string>>
}

export type UploadType = 'application/x-ndjson' | 'text/csv'

/** Sends items as NDJSON or CSV, whole or as they come. */
export async function upload(
  { api, key }: Pick<TestApi, 'key'> & { readonly api: { readonly url: string } },
  type: UploadType,
  body: string | Buffer | AsyncIterable<Uint8Array>,
  { options = {}, headers = {} }: UploadOptions = {},
): Promise<Response> {
  const query = new URLSearchParams()
  const others: Record<string, unknown> = {}
  for (const [name, value] of Object.entries(options)) {
    if (typeof value === 'string') query.set(name, value)
    else others[name] = value
  }
  if (Object.keys(others).length > 0) query.set('options', JSON.stringify(others))
  const given = typeof body === 'string' || Buffer.isBuffer(body)
  return await fetch(`${api.url}/v1/batches?${query.toString()}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${key}`, 'content-type': type, ...headers },
    body: given ? (typeof body === 'string' ? body : new Uint8Array(body)) : ReadableStream.from(body),
    ...(given ? {} : { duplex: 'half' as const }),
  })
}

export function ndjson(items: readonly unknown[]): string {
  return items.map((item) => `${JSON.stringify(item)}\n`).join('')
}
