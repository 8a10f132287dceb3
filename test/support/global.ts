import { randomUUID } from 'node:crypto'
import type { TestProject } from 'vitest/node'
import { eventually } from './eventually.ts'
import { processesMarked } from './leftovers.ts'
import { startTestStack } from './stack.ts'
import type { TestS3, TestStack } from './stack.ts'

declare module 'vitest' {
  export interface ProvidedContext {
    redisUrl: string
    s3: TestS3
  }
}

/** Vitest loads this file once for each project that has something to run; the stack is one for all of them. */
interface Shared {
  stack: Promise<TestStack>
  users: number
}
declare global {
  var crateworkTestStack: Shared | undefined
}

const markName = 'CRATEWORK_TEST_RUN'

/** Starts the run's one Redis and one S3, hands them to the tests, and sees at the end that nothing still runs. */
export async function setup(project: TestProject): Promise<() => Promise<void>> {
  process.env[markName] ??= randomUUID() // inherited by all that the tests start
  globalThis.crateworkTestStack ??= { stack: startAndTell(), users: 0 }
  const shared = globalThis.crateworkTestStack
  shared.users += 1
  const stack = await shared.stack
  project.provide('redisUrl', stack.redisUrl)
  project.provide('s3', stack.s3)
  return async () => {
    shared.users -= 1
    if (shared.users > 0) return
    await stack.stop()
    await nothingLeft()
  }
}

async function startAndTell(): Promise<TestStack> {
  const say = (line: string): void => {
    process.stderr.write(`${line}\n`)
  }
  const stack = await startTestStack(process.env, say)
  say(stack.description)
  return stack
}

async function nothingLeft(): Promise<void> {
  const mark = `${markName}=${process.env[markName] ?? ''}`
  const left = async () => {
    const marked = await processesMarked(mark, new Set([process.pid]))
    return marked.filter(({ command }) => command !== 'vitest-watchdog') // vitest's own, ends with it
  }
  // What has just been told to end may take a moment.
  await eventually(async () => (await left()).length === 0, { what: 'the end of all processes' }).catch(() => undefined)
  const leftovers = await left()
  if (leftovers.length === 0) return
  for (const { pid } of leftovers) process.kill(pid, 'SIGKILL')
  const names = leftovers.map(({ pid, command }) => `${String(pid)} ${command}`)
  throw new Error(`the tests left processes running (ended now): ${names.join('; ')}`)
}
