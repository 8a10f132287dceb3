import { spawn, type ChildProcess } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { join } from 'node:path'
import { eventually } from './eventually.ts'
import { processesOf } from './leftovers.ts'

/** A `cratework` command that runs as a process of its own, as a person would start it. */
export interface Command {
  /** All that it has said so far, on both streams. */
  said(): string
  until(text: string | RegExp): Promise<void>
  signal(signal: NodeJS.Signals): void
  /** Its exit code, or the signal that ended it. */
  readonly ended: Promise<number | string>
}

const main = join(import.meta.dirname, '..', '..', 'src', 'cli', 'main.ts')
const mark = randomUUID()
const running = new Set<ChildProcess>()

export function startCommand(args: readonly string[], env: Record<string, string> = {}): Command {
  const child = spawn(process.execPath, [main, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, TEST_COMMAND: mark, ...env },
  })
  running.add(child)
  let text = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (piece: string) => {
      text += piece
    })
  }
  const ended = once(child, 'close').then(([code, signal]) => (code ?? signal) as number | string)
  void ended.then(() => running.delete(child))
  return {
    said: () => text,
    until: async (wanted) => {
      const has = () => (typeof wanted === 'string' ? text.includes(wanted) : wanted.test(text))
      await eventually(has, { withinMs: 60_000, what: String(wanted) }).catch((error: unknown) => {
        throw new Error(`never said ${String(wanted)}, but:\n${text}`, { cause: error })
      })
    },
    signal: (signal) => child.kill(signal),
    ended,
  }
}

/** Kills the commands that a failed test left, and waits for the end of all that any of them started on the folder. */
export async function endCommands(folder: string): Promise<void> {
  for (const child of running) child.kill('SIGKILL')
  await nothingRuns(folder)
}

/** Waits until nothing runs any more that a command started, `folder` being its state folder. */
export async function nothingRuns(folder: string): Promise<void> {
  const left = () => processesOf({ variable: `TEST_COMMAND=${mark}`, folder }, new Set())
  await eventually(async () => (await left()).length === 0, { withinMs: 10_000, what: 'the end of all processes' })
}
