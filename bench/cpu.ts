import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { promisify } from 'node:util'

const run = promisify(execFile)

/** Linux counts in hundredths of a second here, whatever the machine (proc(5), USER_HZ). */
const tickMs = 10

/** CPU time that a process has used so far, all its threads, user and system, in milliseconds. Throws where it is gone. */
export async function cpuMsOf(pid: number): Promise<number> {
  if (process.platform === 'linux') return ofStat(await readFile(`/proc/${String(pid)}/stat`, 'utf8'))
  const { stdout } = await run('ps', ['-o', 'time=', '-p', String(pid)])
  return ofPs(stdout)
}

/** From `/proc/<pid>/stat`: fields 14 and 15. The name before them may hold spaces and brackets. */
export function ofStat(text: string): number {
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[11]) + Number(fields[12])) * tickMs
}

/** From ps: `[[days-]hours:]minutes:seconds`, with hundredths on macOS. */
export function ofPs(text: string): number {
  const [, days = '0', hours = '0', minutes = '0', seconds = '0'] =
    /^(?:(?:(\d+)-)?(\d+):)?(\d+):(\d+(?:\.\d+)?)$/.exec(text.trim()) ?? []
  return Math.round((((Number(days) * 24 + Number(hours)) * 60 + Number(minutes)) * 60 + Number(seconds)) * 1000)
}
