import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { extname, join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import { setTimeout as delay } from 'node:timers/promises'

/** A process that this one started, that is ready, and that does not outlive it, not even when this one is killed. */
export interface Child<Ready> extends AsyncDisposable {
  readonly pid: number
  /** What it said when it was ready. */
  readonly ready: Ready
  /** Resolves when it has ended, by whatever cause, with words for how. */
  readonly ended: Promise<string>
  /** SIGTERM, then SIGKILL if it is still there after `stopWithinMs`. May be called twice. */
  stop(): Promise<void>
  /** SIGKILL, at once. */
  kill(): void
  /** Its last lines of output, for an error message. */
  tail(): string
}

export interface ChildOptions<Ready> {
  /** What people call it; begins every error. */
  readonly name: string
  readonly command: string
  readonly args: readonly string[]
  readonly env?: NodeJS.ProcessEnv
  /** Gives a value for the line of stdout that says it is ready. */
  readonly readyLine: (line: string) => Ready | undefined
  readonly readyWithinMs: number
  readonly stopWithinMs: number
  /**
   * How it learns that this process is gone. `stdin`: it ends by itself when its stdin does. `watcher`: it is a foreign
   * program, and a small process beside it does that. `container`: the same for a container of that name.
   */
  readonly tie: 'stdin' | 'watcher' | { readonly container: string }
}

const tailLines = 30
/** Of our files: `.ts` in src, `.js` in dist. */
const extension = extname(import.meta.filename)

/** Starts a program and waits until it is ready. Throws with the tail of its output when it ends or stays silent. */
export async function startChild<Ready>(options: ChildOptions<Ready>): Promise<Child<Ready>> {
  const { name, tie } = options
  // A group of its own: Ctrl-C on the terminal reaches us alone, and we stop the parts in order.
  const child = spawn(options.command, options.args, {
    stdio: [tie === 'stdin' ? 'pipe' : 'ignore', 'pipe', 'pipe'],
    detached: true,
    windowsHide: true,
    ...(options.env === undefined ? {} : { env: options.env }),
  })
  const lines: string[] = []
  const ended = new Promise<string>((resolve) => {
    child.once('error', (error) => {
      resolve(`could not be started: ${error.message}`)
    })
    child.once('exit', (code, signal) => {
      resolve(signal === null ? `ended with code ${String(code)}` : `was ended by ${signal}`)
    })
  })
  const watcher = tie === 'stdin' || child.pid === undefined ? undefined : startWatcher(child.pid, tie)
  void ended.then(() => watcher?.kill('SIGKILL'))

  const ready = new Promise<Ready>((resolve) => {
    eachLine(child.stdout as Readable, (line) => {
      remember(lines, line)
      const value = options.readyLine(line)
      if (value !== undefined) resolve(value)
    })
    eachLine(child.stderr as Readable, (line) => {
      remember(lines, line)
    })
  })
  // A stdin whose reader is gone raises EPIPE here; the end of the child says all that matters.
  child.stdin?.on('error', () => undefined)

  const kill = (): void => {
    if (typeof tie === 'object') spawn('docker', ['kill', tie.container], { stdio: 'ignore' })
    else child.kill('SIGKILL')
  }
  const stop = async (): Promise<void> => {
    child.kill('SIGTERM')
    const stopped = await within(options.stopWithinMs, ended)
    if (stopped === undefined) {
      kill()
      await ended
    }
  }

  const first = await within(
    options.readyWithinMs,
    Promise.race([ready.then((value) => ({ value })), ended.then((how) => ({ how }))]),
  )
  if (first !== undefined && 'value' in first) {
    const pid = child.pid as number
    const tail = (): string => lines.join('\n')
    return { pid, ready: first.value, ended, stop, kill, tail, [Symbol.asyncDispose]: stop }
  }
  if (first === undefined) await stop()
  else await drained(child)
  const how = first?.how ?? `was not ready within ${String(options.readyWithinMs / 1000)} s`
  throw new Error([`${name} ${how}`, ...lines].join('\n'))
}

export interface NodeChildOptions {
  readonly name: string
  /** A file of ours, without its extension, that takes `--parent` and then ends when its stdin does. */
  readonly file: string
  readonly args: readonly string[]
  /** The field of its JSON ready line on stdout that holds what to know. */
  readonly readyField: string
  readonly env?: NodeJS.ProcessEnv
}

/** Starts a file of ours under this very Node; `ready` is the string in `readyField` of its ready line. */
export async function startNodeChild(options: NodeChildOptions): Promise<Child<string>> {
  return startChild({
    name: options.name,
    command: process.execPath,
    args: [options.file + extension, ...options.args, '--parent'],
    readyLine: (line) => stringField(line, options.readyField),
    readyWithinMs: 30_000,
    stopWithinMs: 10_000,
    tie: 'stdin',
    ...(options.env === undefined ? {} : { env: options.env }),
  })
}

function startWatcher(pid: number, tie: 'watcher' | { container: string }): ChildProcess {
  const what = typeof tie === 'object' ? ['container', tie.container] : ['pid', String(pid)]
  return spawn(process.execPath, [join(import.meta.dirname, 'watcher') + extension, ...what], {
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true,
    windowsHide: true,
  })
}

/** What the promise gives, or undefined when it takes longer than `ms`. */
async function within<T>(ms: number, promise: Promise<T>): Promise<T | undefined> {
  const timer = new AbortController()
  try {
    return await Promise.race([promise, delay(ms, undefined, { signal: timer.signal })])
  } finally {
    timer.abort()
  }
}

/** Lines can still come after the exit; a grandchild that holds the pipe must not hold us, though. */
async function drained(child: ChildProcess): Promise<void> {
  if (child.pid !== undefined) await within(500, once(child, 'close'))
}

function eachLine(stream: Readable, take: (line: string) => void): void {
  createInterface({ input: stream }).on('line', take)
}

function remember(lines: string[], line: string): void {
  lines.push(line)
  if (lines.length > tailLines) lines.shift()
}

function stringField(line: string, field: string): string | undefined {
  try {
    const said: unknown = JSON.parse(line)
    if (typeof said !== 'object' || said === null || !(field in said)) return undefined
    const value: unknown = Reflect.get(said, field)
    return typeof value === 'string' ? value : undefined
  } catch {
    return undefined // a line of its log
  }
}
