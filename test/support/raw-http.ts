import { connect, type Socket } from 'node:net'

export interface RawAnswer {
  readonly status: number
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
  /** The other side has closed the connection. */
  readonly closed: boolean
}

/**
 * Speaks to a server below HTTP: writes the pieces, and gives the first answer when it is whole or the connection ends.
 * Rejects after 15 s without either.
 */
export async function rawHttp(
  url: string,
  pieces: readonly string[],
  after?: (socket: Socket) => void,
): Promise<RawAnswer> {
  const { hostname, port } = new URL(url)
  const socket = connect(Number(port), hostname)
  const { promise, resolve, reject } = Promise.withResolvers<RawAnswer>()
  let received = ''
  let closed = false
  const look = (): void => {
    const answer = parse(received, closed)
    if (answer !== undefined) resolve(answer)
    else if (closed) reject(new Error(`closed after ${JSON.stringify(received)}`))
  }
  socket.setTimeout(15_000, () => {
    reject(new Error(`no answer after ${JSON.stringify(received)}`))
  })
  socket.on('data', (data) => {
    received += data.toString()
    look()
  })
  socket.on('error', () => undefined)
  socket.on('close', () => {
    closed = true
    look()
  })
  for (const piece of pieces) socket.write(piece)
  after?.(socket)
  try {
    return await promise
  } finally {
    socket.destroy()
  }
}

function parse(text: string, closed: boolean): RawAnswer | undefined {
  const end = text.indexOf('\r\n\r\n')
  if (end === -1) return undefined
  const [statusLine = '', ...lines] = text.slice(0, end).split('\r\n')
  const headers = Object.fromEntries(
    lines.map((line) => [line.slice(0, line.indexOf(':')).toLowerCase(), line.slice(line.indexOf(':') + 1).trim()]),
  )
  const body = text.slice(end + 4)
  if (!closed && Buffer.byteLength(body) < Number(headers['content-length'] ?? Infinity)) return undefined
  return { status: Number(statusLine.split(' ')[1]), headers, body, closed }
}
