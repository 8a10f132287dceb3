/** What ioredis 6 says, in plain Errors without a code, where a command did not reach a Redis or got no answer. */
const sayings = new Set([
  "Stream isn't writeable and enableOfflineQueue options is false",
  'Connection is closed.',
  'Command timed out',
])
const names = new Set(['MaxRetriesPerRequestError', 'ClusterAllFailedError', 'AbortError'])
const codes = new Set(['ECONNREFUSED', 'ECONNRESET', 'EPIPE', 'ETIMEDOUT', 'ENOTFOUND', 'EAI_AGAIN', 'EHOSTUNREACH'])
/** First words of error replies of a Redis that is there and cannot serve for now. */
const states = /^(?:LOADING|READONLY|OOM|MASTERDOWN|CLUSTERDOWN|TRYAGAIN|NOREPLICAS|MISCONF|BUSY|NOAUTH|WRONGPASS)\b/

/** True where an error of a command means that Redis is away or cannot serve, and not that the command was wrong. */
export function isRedisAway(error: unknown): boolean {
  if (!(error instanceof Error)) return false
  const code = (error as NodeJS.ErrnoException).code ?? ''
  return (
    names.has(error.name) ||
    sayings.has(error.message) ||
    codes.has(code) ||
    (error.name === 'ReplyError' && states.test(error.message))
  )
}
