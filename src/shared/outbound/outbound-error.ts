/** Why an exchange with a host outside came to nothing. */
export type OutboundReason =
  | 'invalid_url'
  | 'forbidden_scheme'
  | 'forbidden_address'
  | 'forbidden_port'
  | 'connect' // no connection: DNS, refused, TLS, or it took too long
  | 'timeout' // the whole exchange took too long
  | 'too_slow' // the body came below the least rate
  | 'too_large'
  | 'too_many_redirects'
  | 'cut' // the connection ended, or stopped being HTTP, before the answer was whole
  | 'aborted' // the caller's own signal

export interface OutboundErrorDetails {
  readonly reason: OutboundReason
  readonly message: string
  /** False only where not a byte of the request was written to a socket. */
  readonly sent?: boolean
  /** Status and headers of the answer, where they had come before it went wrong. */
  readonly status?: number | undefined
  readonly headers?: AnswerHeaders | undefined
  /** The rule which, if set, would have let the address or scheme pass. */
  readonly allowedBy?: 'allowHttp' | 'allowPrivate' | undefined
  readonly cause?: unknown
}

/** Names in lower case, as undici gives them. */
export type AnswerHeaders = Readonly<Record<string, string | string[] | undefined>>

export class OutboundError extends Error {
  readonly reason: OutboundReason
  readonly sent: boolean
  readonly status: number | undefined
  readonly headers: AnswerHeaders | undefined
  readonly allowedBy: 'allowHttp' | 'allowPrivate' | undefined

  constructor(details: OutboundErrorDetails) {
    super(details.message, { cause: details.cause })
    this.name = 'OutboundError'
    this.reason = details.reason
    this.sent = details.sent ?? false
    this.status = details.status
    this.headers = details.headers
    this.allowedBy = details.allowedBy
  }
}
