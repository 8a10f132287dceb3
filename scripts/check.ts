// `npm run check`: all that can be said about the code without running it. Every tool runs, whatever the others find.
import { spawn } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { houseFaults } from './house-rules.ts'

const root = join(import.meta.dirname, '..')

interface Finding {
  readonly passed: boolean
  readonly output: string
}

/** Runs a program of a package under this very Node. */
async function tool(script: string, args: string[]): Promise<Finding> {
  const child = spawn(process.execPath, [join(root, 'node_modules', script), ...args], {
    cwd: root,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let output = ''
  const keep = (text: Buffer): void => {
    output += text.toString()
  }
  child.stdout.on('data', keep)
  child.stderr.on('data', keep)
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', resolve)
  })
  return { passed: code === 0, output }
}

function faults(lines: string[]): Finding {
  return { passed: lines.length === 0, output: lines.join('\n') }
}

/** An address in a lock file would send everybody to the registry of whoever wrote it. */
async function lockFaults(): Promise<string[]> {
  const locks = ['package-lock.json', 'tools/node24/package-lock.json']
  const texts = await Promise.all(locks.map(async (lock) => readFile(join(root, lock), 'utf8')))
  return locks.filter((_, index) => texts[index]?.includes('"resolved"')).map((lock) => `${lock} names a registry`)
}

const checks: Record<string, () => Promise<Finding>> = {
  types: async () => tool('typescript/bin/tsc', ['--noEmit']),
  lint: async () => tool('oxlint/bin/oxlint', []),
  format: async () => tool('prettier/bin/prettier.cjs', ['--check', '--log-level=warn', '.']),
  'unused code': async () => tool('knip/bin/knip.js', ['--no-progress']),
  'lock files': async () => faults(await lockFaults()),
  'house rules': async () => faults(await houseFaults(root)),
}

const summary: string[] = []
for (const [name, check] of Object.entries(checks)) {
  const startedMs = performance.now()
  const { passed, output } = await check()
  if (!passed) {
    process.stdout.write(`\n${name}:\n${output.trimEnd()}\n`)
    process.exitCode = 1
  }
  const seconds = ((performance.now() - startedMs) / 1000).toFixed(1)
  summary.push(`${passed ? 'ok    ' : 'FAILED'} ${name} (${seconds} s)`)
}
process.stdout.write(`\n${summary.join('\n')}\n`)
