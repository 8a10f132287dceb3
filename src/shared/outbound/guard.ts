import { lookup as systemLookup } from 'node:dns'
import { isIP } from 'node:net'
import type { LookupAddress } from 'node:dns'
import type { LookupFunction } from 'node:net'
import ipaddr from 'ipaddr.js'
import { buildConnector } from 'undici'
import { OutboundError } from './outbound-error.ts'
import type { OutboundReason } from './outbound-error.ts'

/** Where an exchange may go: public addresses; private networks too; or wherever the operator's own setting points. */
export type Reach = 'public' | 'private' | 'anywhere'

export interface UrlRules {
  readonly allowHttp: boolean
  readonly allowPrivate: boolean
}

export interface UrlFault {
  readonly reason: OutboundReason
  readonly message: string
  readonly allowedBy?: keyof UrlRules
}

/** Resolves a name to all of its addresses; `node:dns` outside tests. */
export type ResolveAll = (
  hostname: string,
  done: (error: NodeJS.ErrnoException | null, addresses: LookupAddress[]) => void,
) => void

const urlLengthMax = 2048

const privateRanges: ReadonlySet<string> = new Set(['loopback', 'private', 'uniqueLocal', 'carrierGradeNat'])

// Addresses at which clouds hand out credentials, in ranges that pass otherwise. No shop has its endpoint there, so no
// setting opens them. (169.254.169.254 is link-local, which is never open either.)
const metadataAddresses: ReadonlySet<string> = new Set(['168.63.129.16', '100.100.100.200', 'fd00:ec2::254'])

// ipaddr.js calls IPv4-compatible (::7f00:1) and unassigned (4000::1) addresses unicast: what is public must lie here.
const globalIpv6 = ipaddr.parseCIDR('2000::/3')

/**
 * Why `address` (a literal that `net.isIP` accepts) is out of reach, or undefined where it may be connected to.
 * IPv4-mapped IPv6 is judged as the IPv4 address that it is.
 */
export function addressFault(address: string, reach: Reach): UrlFault | undefined {
  if (reach === 'anywhere') return undefined
  const parsed = ipaddr.process(canonical(address))
  const text = parsed.toString()
  const range = parsed.range()
  const refusal = `${text} is not a public address`
  if (metadataAddresses.has(text)) return { reason: 'forbidden_address', message: refusal }
  if (privateRanges.has(range)) {
    if (reach === 'private') return undefined
    return { reason: 'forbidden_address', message: refusal, allowedBy: 'allowPrivate' }
  }
  const isPublic = range === 'unicast' && (parsed.kind() === 'ipv4' || parsed.match(globalIpv6))
  return isPublic ? undefined : { reason: 'forbidden_address', message: refusal }
}

/** ipaddr.js takes `::127.0.0.1`, as getaddrinfo may write it, for IPv4-mapped, which it is not: the URL parser does not. */
function canonical(address: string): string {
  if (isIP(address) !== 6) return address
  const [withoutZone = ''] = address.split('%')
  return bare(new URL(`http://[${withoutZone}]`).hostname)
}

/**
 * Why a URL is refused by what is written in it, before any name is resolved; undefined where it may be tried.
 * An address that is refused only once its name is resolved is met in `guardedConnector`.
 */
export function urlFault(text: string, rules: UrlRules): UrlFault | undefined {
  if (text.length > urlLengthMax) return invalid(`must be at most ${String(urlLengthMax)} characters`)
  // The URL parser drops or turns these without a word; a URL that relies on that is a mistake or a trick.
  if (/[\p{Cc}\s\\]/u.test(text)) return invalid('must not contain spaces, control characters or backslashes')
  if (!URL.canParse(text)) return invalid('is not a valid absolute URL')
  const url = new URL(text)
  if (url.protocol !== 'https:' && url.protocol !== 'http:') {
    return { reason: 'forbidden_scheme', message: `must start with https://, not ${url.protocol.slice(0, 20)}` }
  }
  if (url.protocol === 'http:' && !rules.allowHttp) {
    return { reason: 'forbidden_scheme', message: 'must start with https://', allowedBy: 'allowHttp' }
  }
  if (url.username !== '' || url.password !== '') return invalid('must not contain a user name or password')
  // Homographs and digits of other scripts show what they are only in the ASCII form.
  if (!isAscii(authorityOf(text))) return invalid(`must have its host in ASCII: ${url.host}`)
  if (url.hostname.endsWith('.')) return invalid('must have a host without a dot at its end')
  return hostFault(url.hostname, rules)
}

function invalid(message: string): UrlFault {
  return { reason: 'invalid_url', message }
}

function authorityOf(text: string): string {
  return /^[^:]*:\/*([^/?#]*)/.exec(text)?.[1] ?? ''
}

function isAscii(text: string): boolean {
  return Buffer.byteLength(text) === text.length
}

function hostFault(hostname: string, rules: UrlRules): UrlFault | undefined {
  const host = bare(hostname)
  // RFC 6761: every name below localhost is this machine.
  if (!rules.allowPrivate && (host === 'localhost' || host.endsWith('.localhost'))) {
    return { reason: 'forbidden_address', message: `${host} is not a public address`, allowedBy: 'allowPrivate' }
  }
  if (isIP(host) === 0) return undefined
  return addressFault(host, rules.allowPrivate ? 'private' : 'public')
}

function bare(hostname: string): string {
  return hostname.startsWith('[') ? hostname.slice(1, -1) : hostname
}

/** What the operator sets to let a webhook URL pass that a rule refuses. */
export const variableFor: Readonly<Record<keyof UrlRules, string>> = {
  allowHttp: 'WEBHOOK_ALLOW_HTTP',
  allowPrivate: 'WEBHOOK_ALLOW_PRIVATE',
}

/**
 * Judges a webhook URL at intake, without asking DNS: undefined where it is fine, else one sentence to say about the
 * field, naming the variable that would allow it where there is one. https goes to port 443 and http (where allowed) to
 * port 80; any other port only where private receivers are allowed, since these are a developer's own.
 */
export function checkUrl(text: string, rules: UrlRules): string | undefined {
  const fault = urlFault(text, rules) ?? portFault(new URL(text), rules)
  if (fault === undefined) return undefined
  if (fault.allowedBy === undefined) return fault.message
  return `${fault.message} (${variableFor[fault.allowedBy]}=true would allow it)`
}

/** Non-standard ports are how a URL is made to speak to a mail server or a Redis. The parser drops standard ones. */
function portFault(url: URL, rules: UrlRules): UrlFault | undefined {
  if (url.port === '' || rules.allowPrivate) return undefined
  return { reason: 'forbidden_port', message: `must not name port ${url.port}`, allowedBy: 'allowPrivate' }
}

/**
 * A connector for an undici Agent which tests the very address that it connects to, so that a name which is bound anew
 * between check and use gains nothing. Both halves are needed: Node asks `lookup` for names alone, never for literals. `onConnect` is told of each connection made.
 */
export function guardedConnector(
  reach: Reach,
  options: { resolveAll?: ResolveAll | undefined; onConnect: (origin: string, address: string) => () => void },
): buildConnector.connector {
  const connect = buildConnector({
    lookup: guardedLookup(reach, options.resolveAll ?? resolveBySystem),
    allowH2: false,
    // Only a last resort: each exchange has a connect time of its own.
    timeout: 30_000,
  })
  return (target, callback) => {
    const host = bare(target.hostname)
    const fault = isIP(host) === 0 ? undefined : addressFault(host, reach)
    if (fault !== undefined) {
      callback(new OutboundError(fault), null)
      return
    }
    connect(target, (...result) => {
      const [error, socket] = result
      if (error === null) {
        const origin = `${target.protocol}//${target.host ?? target.hostname}`
        socket.once('close', options.onConnect(origin, socket.remoteAddress ?? ''))
      }
      callback(...result)
    })
  }
}

function guardedLookup(reach: Reach, resolveAll: ResolveAll): LookupFunction {
  return (hostname, options, callback) => {
    resolveAll(hostname, (error, addresses) => {
      const first = addresses?.[0]
      if (error !== null || first === undefined) {
        callback(error ?? new Error(`${hostname} has no address`), '', 0)
        return
      }
      // One bad address refuses the name: else a mixed answer would be a way in on the second try.
      const fault = addresses.map(({ address }) => addressFault(address, reach)).find((found) => found !== undefined)
      if (fault !== undefined) {
        callback(new OutboundError({ ...fault, message: `${hostname} leads to ${fault.message}` }), '', 0)
      } else if (options.all === true) {
        callback(null, addresses)
      } else {
        callback(null, first.address, first.family)
      }
    })
  }
}

const resolveBySystem: ResolveAll = (hostname, done) => {
  systemLookup(hostname, { all: true }, done)
}
