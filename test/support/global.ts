import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestProject } from 'vitest/node'
import { eventually } from './eventually.ts'
import { processesOf } from './leftovers.ts'
import type { RunMark } from './leftovers.ts'
import { startTestStack } from './stack.ts'
import type { TestS3, TestStack } from './stack.ts'

declare module 'vitest' {
  export interface ProvidedContext {
    redisUrl: string
    s3: TestS3
  }
}

/** Vitest loads this file once for each project that has something to run; what is in here is one for all of them. */
interface Run {
  readonly stack: TestStack
  readonly mark: RunMark
  users: number
}
declare global {
  var crateworkTestRun: Promise<Run> | undefined
}

/** Starts the run's one Redis and one S3, hands them to the tests, and sees at the end that nothing is left of them. */
export async function setup(project: TestProject): Promise<() => Promise<void>> {
  globalThis.crateworkTestRun ??= startRun()
  const run = await globalThis.crateworkTestRun
  run.users += 1
  project.provide('redisUrl', run.stack.redisUrl)
  project.provide('s3', run.stack.s3)
  return async () => {
    run.users -= 1
    if (run.users > 0) return
    try {
      await run.stack.stop()
      await nothingLeft(run.mark)
    } finally {
      await rm(run.mark.folder, { recursive: true, force: true })
    }
  }
}

async function startRun(): Promise<Run> {
  const folder = await mkdtemp(join(tmpdir(), 'cratework-tests-'))
  // Inherited by all that the tests start: what they put into the temporary folder lies in ours.
  process.env.TMPDIR = folder
  process.env.CRATEWORK_TEST_RUN = folder
  const say = (line: string): void => {
    process.stderr.write(`${line}\n`)
  }
  const stack = await startTestStack(process.env, say)
  say(stack.description)
  return { stack, mark: { variable: `CRATEWORK_TEST_RUN=${folder}`, folder }, users: 0 }
}

async function nothingLeft(mark: RunMark): Promise<void> {
  const left = async () => {
    const found = await processesOf(mark, new Set([process.pid]))
    return found.filter(({ command }) => command !== 'vitest-watchdog') // vitest's own, ends with it
  }
  // What has just been told to end may take a moment.
  await eventually(async () => (await left()).length === 0, { what: 'the end of all processes' }).catch(() => undefined)
  const leftovers = await left()
  if (leftovers.length === 0) return
  for (const { pid } of leftovers) process.kill(pid, 'SIGKILL')
  const names = leftovers.map(({ pid, command }) => `${String(pid)} ${command}`)
  throw new Error(`the tests left processes running (ended now): ${names.join('; ')}`)
}
