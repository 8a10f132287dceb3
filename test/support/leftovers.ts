import { readFile, readdir } from 'node:fs/promises'

/** A process that carries this run's mark in its environment, and so was started by it or by something that it started. */
export interface Leftover {
  readonly pid: number
  readonly command: string
}

/** Every process but `except` whose environment holds `NAME=value`. Linux only (`/proc`); elsewhere none is found. */
export async function processesMarked(mark: string, except: ReadonlySet<number>): Promise<Leftover[]> {
  const pids = (await readdir('/proc').catch(() => [])).filter((name) => /^\d+$/.test(name)).map(Number)
  const found: Leftover[] = []
  for (const pid of pids) {
    if (except.has(pid)) continue
    // Gone meanwhile, a zombie, or another account's: nothing of ours that still runs.
    const environment = await readFile(`/proc/${String(pid)}/environ`, 'utf8').catch(() => '')
    if (!environment.split('\0').includes(mark)) continue
    const command = await readFile(`/proc/${String(pid)}/cmdline`, 'utf8').catch(() => '')
    found.push({ pid, command: command.replaceAll('\0', ' ').trim() })
  }
  return found
}
