import { fork } from 'node:child_process'
import { once } from 'node:events'

/** A file of the bench that runs in a process of its own and is told what to do in messages. */
export interface BenchChild<Ready> extends AsyncDisposable {
  readonly pid: number
  /** What it said when it was ready. */
  readonly ready: Ready
  /** Sends an order and waits for what came of it. One at a time. */
  ask(order: object): Promise<unknown>
}

/** What a child sends: that it is ready, then an answer to each order. */
type Message = { readonly value: unknown } | { readonly error: string }

/** Starts the file `name` of the bench (`stand-ins/provider.ts`). It ends with this process. */
export async function startBenchChild<Ready>(
  name: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv,
): Promise<BenchChild<Ready>> {
  const child = fork(`${import.meta.dirname}/${name}`, args, { env, serialization: 'json' })
  const ended = once(child, 'exit')
  async function next(): Promise<unknown> {
    const [first] = (await Promise.race([once(child, 'message'), ended.then(() => [undefined])])) as [Message?]
    if (first === undefined) throw new Error(`${name} ended`)
    if ('error' in first) throw new Error(`${name}: ${first.error}`)
    return first.value
  }
  const ready = (await next()) as Ready
  return {
    pid: child.pid as number,
    ready,
    async ask(order) {
      child.send(order)
      return await next()
    },
    async [Symbol.asyncDispose]() {
      if (child.connected) child.disconnect()
      await ended
    },
  }
}

/** The other end, in the child: says that it is ready, does each order, and ends when the parent is gone. */
export function answerParent(ready: object, obey: (order: unknown) => Promise<unknown>): void {
  const send = (message: Message): void => {
    process.send?.(message)
  }
  process.on('message', (order) => {
    obey(order).then(
      (value) => {
        send({ value })
      },
      (error: unknown) => {
        send({ error: error instanceof Error ? (error.stack ?? error.message) : String(error) })
      },
    )
  })
  // Ctrl-C on a terminal reaches the whole group; the parent ends us in order.
  process.on('SIGINT', () => undefined)
  process.once('disconnect', () => {
    process.exit()
  })
  send({ value: ready })
}
