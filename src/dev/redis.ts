import { randomUUID } from 'node:crypto'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { startChild } from './children.ts'
import type { ChildOptions } from './children.ts'
import { freePort } from './ports.ts'
import { findRedis } from './redis-program.ts'
import type { RedisProgram } from './redis-program.ts'

export interface StartRedisOptions {
  /** Where its data lies: started again on the same folder, it has what it had. */
  readonly folder: string
  /** 0 or absent: a free one of 127.0.0.1. */
  readonly port?: number
  /** Append-only file, synced once a second: a killed Redis comes back with what it acknowledged. Default true. */
  readonly appendonly?: boolean
  readonly say?: (line: string) => void
  readonly env?: NodeJS.ProcessEnv
}

export interface Redis extends AsyncDisposable {
  readonly url: string
  readonly port: number
  /** Of the server; of the docker command where it runs in a container. */
  readonly pid: number
  /** Resolves when it has ended, by whatever cause. */
  readonly ended: Promise<string>
  /** Ends it in order: what was written is on disk. May be called twice. */
  stop(): Promise<void>
  /** SIGKILL. */
  kill(): void
}

const unpackInto = join(import.meta.dirname, '..', '..', '.cratework', 'redis')
const portTries = 5

/** Starts a Redis that only this machine reaches and that ends with this process. Throws one line where none can be had. */
export async function startRedis(options: StartRedisOptions): Promise<Redis> {
  const { folder, port = 0, appendonly = true, say = () => undefined, env = process.env } = options
  await mkdir(folder, { recursive: true })
  const program = await findRedis({ env, say, unpackInto })
  for (let tries = 1; ; tries += 1) {
    const chosen = port === 0 ? await freePort() : port
    try {
      const child = await startChild(childOptions(program, folder, chosen, appendonly))
      const { pid, ended, stop, kill } = child
      const url = `redis://127.0.0.1:${String(chosen)}`
      return { url, port: chosen, pid, ended, stop, kill, [Symbol.asyncDispose]: stop }
    } catch (error) {
      const taken = error instanceof Error && /address already in use|port is already allocated/i.test(error.message)
      if (!taken || port !== 0 || tries === portTries) throw error
    }
  }
}

function childOptions(program: RedisProgram, folder: string, port: number, appendonly: boolean): ChildOptions<true> {
  const settings = ['--appendonly', appendonly ? 'yes' : 'no', '--appendfsync', 'everysec']
  // BullMQ loses jobs on an engine that evicts keys.
  settings.push('--save', '', '--maxmemory-policy', 'noeviction')
  const common = {
    name: 'Redis',
    env: program.env,
    readyLine: (line: string) => (line.includes('Ready to accept connections') ? (true as const) : undefined),
    stopWithinMs: 10_000,
  }
  if ('command' in program) {
    const args = ['--bind', '127.0.0.1', '--port', String(port), '--dir', folder, ...settings]
    return { ...common, command: program.command, args, readyWithinMs: 30_000, tie: 'watcher' }
  }
  const container = `cratework-redis-${randomUUID()}`
  const args = ['run', '--rm', '--name', container, '--publish', `127.0.0.1:${String(port)}:6379`]
  args.push('--volume', `${folder}:/data`)
  // Else its files belong to an account of the image, and removing the folder would take root.
  const user = process.getuid?.()
  if (user !== undefined) args.push('--user', `${String(user)}:${String(process.getgid?.() ?? user)}`)
  args.push(program.image, 'redis-server', ...settings)
  // The image may have to come over the network first.
  return { ...common, command: 'docker', args, readyWithinMs: 300_000, tie: { container } }
}
