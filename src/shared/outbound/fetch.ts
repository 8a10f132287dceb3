import { Agent } from 'undici'
import type { Clock } from '../process/clock.ts'
import { exchange } from './exchange.ts'
import type { ExchangeAnswer } from './exchange.ts'
import { guardedConnector, urlFault } from './guard.ts'
import type { Reach, ResolveAll } from './guard.ts'
import { OutboundError } from './outbound-error.ts'

export interface OutboundRequest {
  readonly url: string
  readonly method: 'GET' | 'POST'
  readonly headers: Readonly<Record<string, string>>
  readonly body?: Buffer
  readonly allowHttp: boolean
  readonly allowPrivate: boolean
  /** A URL whose origin the operator chose (that of RUNCRATE_BASE_URL): there, http and any address are fine. */
  readonly trustedOrigin?: string
  /** 0: an answer of 3xx is handed back as it is. More than that is for GET alone. */
  readonly maxRedirects: number
  readonly connectTimeoutMs: number
  /** All hops together. */
  readonly totalTimeoutMs: number
  readonly maxBytes: number
  readonly minRate?: { readonly bytes: number; readonly windowMs: number }
  readonly signal?: AbortSignal
}

export interface OutboundAnswer extends ExchangeAnswer {
  /** An address that this host is connected at, for logs. */
  readonly address: string
}

/** The one door for URLs that others gave us: webhook receivers, and images that the provider's answers name. */
export interface Outbound {
  /** Throws `OutboundError`; any status that came whole is an answer. */
  request(request: OutboundRequest): Promise<OutboundAnswer>
  /** Cuts what is still under way: drain first. */
  close(): Promise<void>
}

const redirects: ReadonlySet<number> = new Set([301, 302, 303, 307, 308])

/** `resolveAll` stands in for DNS in tests. */
export function createOutbound(parts: { readonly clock: Clock; readonly resolveAll?: ResolveAll }): Outbound {
  // One agent for each reach: a connection that was made under a wider rule must not serve a request under a narrower.
  const routes = {
    public: openRoute('public', parts.resolveAll),
    private: openRoute('private', parts.resolveAll),
    anywhere: openRoute('anywhere', parts.resolveAll),
  }

  async function hop(url: URL, request: OutboundRequest, totalTimeoutMs: number): Promise<OutboundAnswer> {
    const route = routes[reachOf(url, request)]
    let address = ''
    const answer = await exchange(
      { dispatcher: route.agent, clock: parts.clock },
      {
        url,
        method: request.method,
        headers: request.headers,
        body: request.body,
        connectTimeoutMs: Math.min(request.connectTimeoutMs, totalTimeoutMs),
        totalTimeoutMs,
        maxBytes: request.maxBytes,
        minRate: request.minRate,
        signal: request.signal,
        onSend: () => {
          address = route.addresses.get(url.origin) ?? ''
        },
      },
    )
    return { ...answer, address }
  }

  return {
    async request(request) {
      if (request.maxRedirects > 0 && request.method !== 'GET') throw new Error('only a GET may follow redirects')
      const deadline = parts.clock.monotonic() + request.totalTimeoutMs
      let text = request.url
      let leftMs = request.totalTimeoutMs
      for (let hops = 0; hops <= request.maxRedirects; hops += 1) {
        const url = admit(text, request)
        const answer = await hop(url, request, leftMs)
        const location = answer.headers.location
        if (request.maxRedirects === 0 || !redirects.has(answer.status)) return answer
        if (typeof location !== 'string' || !URL.canParse(location, url.href)) return answer
        text = new URL(location, url).href
        leftMs = Math.max(1, deadline - parts.clock.monotonic())
      }
      throw new OutboundError({
        reason: 'too_many_redirects',
        message: `more than ${String(request.maxRedirects)} redirects`,
        sent: true,
      })
    },
    async close() {
      await Promise.all(Object.values(routes).map(async ({ agent }) => agent.destroy()))
    },
  }
}

function openRoute(reach: Reach, resolveAll: ResolveAll | undefined): { agent: Agent; addresses: Map<string, string> } {
  // Only of open connections, so it does not grow with the number of hosts ever seen.
  const addresses = new Map<string, string>()
  const connect = guardedConnector(reach, {
    resolveAll,
    onConnect(origin, address) {
      addresses.set(origin, address)
      return () => {
        if (addresses.get(origin) === address) addresses.delete(origin)
      }
    },
  })
  return { agent: new Agent({ connect, allowH2: false, pipelining: 1 }), addresses }
}

/** Throws `OutboundError` where the text of the URL alone forbids it. Every hop of a redirect comes through here. */
function admit(text: string, request: OutboundRequest): URL {
  if (isTrusted(text, request.trustedOrigin)) return new URL(text)
  const fault = urlFault(text, request)
  if (fault !== undefined) throw new OutboundError({ ...fault, message: `the URL ${fault.message}` })
  return new URL(text)
}

function reachOf(url: URL, request: OutboundRequest): Reach {
  if (isTrusted(url.href, request.trustedOrigin)) return 'anywhere'
  return request.allowPrivate ? 'private' : 'public'
}

function isTrusted(text: string, trustedOrigin: string | undefined): boolean {
  if (trustedOrigin === undefined || !URL.canParse(text)) return false
  const { origin, protocol } = new URL(text)
  return (protocol === 'https:' || protocol === 'http:') && origin === new URL(trustedOrigin).origin
}
