import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { startChild } from '../../../src/dev/children.ts'
import { eventually } from '../../support/eventually.ts'

let folder: string

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'children-test-'))
})

afterEach(async () => {
  await rm(folder, { recursive: true, force: true })
})

async function answers(url: string): Promise<boolean> {
  const { hostname, port } = new URL(url)
  const socket = connect(Number(port), hostname)
  try {
    await once(socket, 'connect')
    return true
  } catch {
    return false
  } finally {
    socket.destroy()
  }
}

/** A program in a line of JavaScript, ready when it prints a line. */
async function startProgram(script: string, stopWithinMs = 5_000) {
  return startChild({
    name: 'The program',
    command: process.execPath,
    args: ['--eval', script],
    readyLine: (line) => line,
    readyWithinMs: 5_000,
    stopWithinMs,
    tie: 'watcher',
  })
}

describe('a child process', () => {
  it('does not outlive a parent that is killed: Redis, S3 and all', async () => {
    const stack = join(import.meta.dirname, '..', '..', '..', 'src', 'dev', 'stack.ts')
    const script = `
      import { startStack } from ${JSON.stringify(stack)}
      const s3 = { bucket: 'a-bucket', accessKeyId: 'key', secretAccessKey: 'secret' }
      const stack = await startStack({ folder: ${JSON.stringify(folder)}, say: () => undefined, redis: {}, s3 })
      console.log(JSON.stringify([stack.redis.url, stack.s3.url]))`
    const parent = spawn(process.execPath, ['--input-type=module', '--eval', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    const [line] = (await once(createInterface({ input: parent.stdout }), 'line')) as [string]
    const urls = JSON.parse(line) as string[]
    expect(await Promise.all(urls.map(answers))).toEqual([true, true])

    parent.kill('SIGKILL')
    await eventually(async () => !(await Promise.all(urls.map(answers))).some(Boolean), { what: 'their end' })
  })

  it('is told to end, and killed when it does not', async () => {
    const polite = await startProgram("setInterval(String, 1000); console.log('ready')")
    await polite.stop()
    expect(await polite.ended).toBe('was ended by SIGTERM')

    const stubborn = await startProgram(
      "process.on('SIGTERM', String); setInterval(String, 1000); console.log('ready')",
      50,
    )
    await stubborn.stop()
    expect(await stubborn.ended).toBe('was ended by SIGKILL')
  })

  it('that ends before it is ready is an error with its last words', async () => {
    await expect(startProgram("console.error('no room left'); process.exitCode = 3")).rejects.toThrow(
      'The program ended with code 3\nno room left',
    )
  })

  it('that is no program at all is an error in one line', async () => {
    const none = startChild({
      name: 'Nothing',
      command: join(folder, 'nothing'),
      args: [],
      readyLine: (line) => line,
      readyWithinMs: 5_000,
      stopWithinMs: 5_000,
      tie: 'watcher',
    })
    await expect(none).rejects.toThrow(/^Nothing could not be started: .*ENOENT$/)
  })

  it('that stays silent is ended and is an error', async () => {
    const silent = startChild({
      name: 'The program',
      command: process.execPath,
      args: ['--eval', 'setInterval(String, 1000)'],
      readyLine: () => undefined,
      readyWithinMs: 200,
      stopWithinMs: 5_000,
      tie: 'watcher',
    })
    await expect(silent).rejects.toThrow('The program was not ready within 0.2 s')
  })
})
