import { execFile } from 'node:child_process'
import { rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { hasApt, unpackDebianPackage, unpackedEnv } from './debian-packages.ts'
import { dockerAnswers } from './docker.ts'

const run = promisify(execFile)

/** How a Redis can be run here: a program, or a container of this image. */
export type RedisProgram =
  | { readonly command: string; readonly env: NodeJS.ProcessEnv }
  | { readonly image: string; readonly env: NodeJS.ProcessEnv }

export interface FindRedisOptions {
  readonly env: NodeJS.ProcessEnv
  readonly say: (line: string) => void
  /** Where a Debian-like system's Redis is unpacked to, once: `.cratework/redis` of the clone. */
  readonly unpackInto: string
}

/** BullMQ works fully from here on (docs.bullmq.io, "Redis compatibility"). */
const oldest = [6, 2] as const
const image = 'redis:7.4-alpine'

/**
 * A Redis (or Valkey) of 6.2 or later: on PATH, unpacked into the clone from Debian's packages, or in a container,
 * whichever is there first. Throws one line that says what to install when there is none.
 */
export async function findRedis(options: FindRedisOptions): Promise<RedisProgram> {
  const { env, say, unpackInto } = options
  for (const command of ['redis-server', 'valkey-server']) {
    const version = await versionOf(command, env)
    if (version === undefined) continue
    if (isNewEnough(version)) return { command, env }
    say(`${command} ${version} on PATH is older than ${oldest.join('.')}`)
  }
  let whyNot = ''
  if (process.platform === 'linux') {
    const unpacked = await unpackedProgram(unpackInto, env)
    if (unpacked !== undefined) return unpacked
    if (await hasApt(env)) {
      say(`no Redis on PATH: unpacking one into ${unpackInto} (no root needed, nothing is installed)`)
      const program = await unpack(unpackInto, env, say).catch((error: unknown) => {
        whyNot = ` (${error instanceof Error ? error.message : String(error)})`
      })
      if (program !== undefined) return program
    }
  }
  if (await dockerAnswers(env)) return { image, env }
  throw new Error(`No Redis ${oldest.join('.')} or later was found${whyNot}. ${whatToInstall(process.platform)}`)
}

async function unpack(into: string, env: NodeJS.ProcessEnv, say: (line: string) => void): Promise<RedisProgram> {
  await rm(into, { recursive: true, force: true }) // one that does not run, or there would be no need
  await unpackDebianPackage({ wanted: 'redis-server', into, env, say })
  const program = await unpackedProgram(into, env)
  if (program === undefined)
    throw new Error("the unpacked redis-server does not run: is one of the system's libraries missing?")
  return program
}

async function unpackedProgram(root: string, env: NodeJS.ProcessEnv): Promise<RedisProgram | undefined> {
  const command = join(root, 'usr', 'bin', 'redis-server')
  if ((await stat(command).catch(() => undefined)) === undefined) return undefined
  const ownEnv = await unpackedEnv(root, env)
  const version = await versionOf(command, ownEnv)
  return version !== undefined && isNewEnough(version) ? { command, env: ownEnv } : undefined
}

/** As `7.0.15`; undefined when there is no such program or it does not run. */
async function versionOf(command: string, env: NodeJS.ProcessEnv): Promise<string | undefined> {
  const said = await run(command, ['--version'], { env }).catch(() => undefined)
  return /\bv=(\d+\.\d+\.\d+)/.exec(said?.stdout ?? '')?.[1]
}

function isNewEnough(version: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number)
  return major > oldest[0] || (major === oldest[0] && minor >= oldest[1])
}

function whatToInstall(platform: NodeJS.Platform): string {
  const ways: Partial<Record<NodeJS.Platform, string>> = {
    darwin: 'Install it with `brew install redis`, or start Docker',
    win32: 'Start Docker, install Memurai (memurai.com), or work in WSL',
    linux:
      "Install it with the system's package manager (`dnf install redis`, `apk add redis`, `pacman -S valkey`), or start Docker",
  }
  return `${ways[platform] ?? 'Install Redis, or start Docker'}; or set REDIS_URL to one that runs.`
}
