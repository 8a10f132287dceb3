import { spawn } from 'node:child_process'
import { setTimeout as delay } from 'node:timers/promises'

// Ends a foreign program when the process that started it is gone, however it went: SIGKILL closes a pipe too.
// Started by children.ts as `watcher.ts pid N` or `watcher.ts container NAME`; stdin is a pipe from the one to watch.

const stopWithinMs = 5_000

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

async function endProcess(pid: number): Promise<void> {
  if (!isAlive(pid)) return
  process.kill(pid, 'SIGTERM')
  const deadline = performance.now() + stopWithinMs
  while (isAlive(pid)) {
    if (performance.now() > deadline) {
      process.kill(pid, 'SIGKILL')
      return
    }
    await delay(20)
  }
}

const [kind, what = ''] = process.argv.slice(2)
process.stdin.resume()
process.stdin.on('end', () => {
  if (kind === 'pid') void endProcess(Number(what))
  else spawn('docker', ['rm', '--force', what], { stdio: 'ignore' })
})
