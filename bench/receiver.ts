import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { json } from 'node:stream/consumers'
import { z } from 'zod'

const event = z.object({
  type: z.string(),
  data: z.object({ id: z.string(), request_counts: z.object({ total: z.number(), succeeded: z.number() }) }),
})
export type BatchEvent = z.infer<typeof event>

/** Whom a batch's webhook tells that it has ended: asking after it again and again would be part of what is measured. */
export interface Receiver extends AsyncDisposable {
  readonly url: string
  /** What was said of a batch; throws where that takes longer than `withinMs`. */
  told(batch: string, withinMs: number): Promise<BatchEvent>
}

export async function startReceiver(): Promise<Receiver> {
  const events = new Map<string, PromiseWithResolvers<BatchEvent>>()
  const of = (batch: string): PromiseWithResolvers<BatchEvent> => {
    const known = events.get(batch) ?? Promise.withResolvers<BatchEvent>()
    events.set(batch, known)
    return known
  }
  const server = createServer((request, response) => {
    json(request).then(
      (body) => {
        const told = event.parse(body)
        of(told.data.id).resolve(told)
        response.writeHead(204).end()
      },
      () => response.writeHead(400).end(),
    )
  })
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve)
  })
  return {
    url: `http://127.0.0.1:${String((server.address() as AddressInfo).port)}/`,
    async told(batch, withinMs) {
      const { promise, reject } = of(batch)
      const timer = setTimeout(() => {
        reject(new Error(`${batch} did not end within ${String(withinMs / 1000)} s`))
      }, withinMs)
      try {
        return await promise
      } finally {
        clearTimeout(timer)
      }
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
