import { readFile, readdir, readlink } from 'node:fs/promises'

/** A process that a test run started, itself or through something that it started. */
export interface Leftover {
  readonly pid: number
  readonly command: string
}

/** What gives a run's processes away: a variable in their environment, or a working directory below the run's folder. */
export interface RunMark {
  /** As `NAME=value`. */
  readonly variable: string
  /** Redis writes its title over its environment, but works where its data lies. */
  readonly folder: string
}

/** Every process of the run but `except`. Linux only (`/proc`); elsewhere none is found. */
export async function processesOf(mark: RunMark, except: ReadonlySet<number>): Promise<Leftover[]> {
  const pids = (await readdir('/proc').catch(() => [])).filter((name) => /^\d+$/.test(name)).map(Number)
  const found: Leftover[] = []
  for (const pid of pids) {
    if (except.has(pid)) continue
    const folder = `/proc/${String(pid)}`
    // What cannot be read is gone meanwhile, a zombie, or another account's.
    const environment = await readFile(`${folder}/environ`, 'utf8').catch(() => '')
    const cwd = await readlink(`${folder}/cwd`).catch(() => '')
    if (!environment.split('\0').includes(mark.variable) && !cwd.startsWith(`${mark.folder}/`)) continue
    const command = await readFile(`${folder}/cmdline`, 'utf8').catch(() => '')
    found.push({ pid, command: command.replaceAll('\0', ' ').trim() })
  }
  return found
}
