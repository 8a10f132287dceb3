// `npm run accept`: the end-to-end runs at their full size, one after another, and their figures. Ends with 1 where one of
// them failed.
import { spawn } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const root = join(import.meta.dirname, '..')

const runs: readonly { readonly file: string; readonly env: Readonly<Record<string, string>> }[] = [
  { file: 'test/e2e/main-job.test.ts', env: { CRATEWORK_TEST_ITEMS: '2000' } },
  { file: 'test/e2e/stream.test.ts', env: { CRATEWORK_TEST_ITEMS: '10000' } },
  { file: 'test/e2e/worker-kills.test.ts', env: { CRATEWORK_TEST_ITEMS: '1000' } },
  { file: 'test/e2e/storage-away.test.ts', env: { CRATEWORK_TEST_AWAY_MS: '30000' } },
  { file: 'test/e2e/reuse.test.ts', env: {} },
]

async function passes(file: string, env: Readonly<Record<string, string>>): Promise<boolean> {
  const child = spawn(process.execPath, [join(root, 'node_modules', 'vitest', 'vitest.mjs'), 'run', file], {
    cwd: root,
    stdio: 'inherit',
    env: { ...process.env, ...env },
  })
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', resolve)
  })
  return code === 0
}

/** The figures that a run left, a line each: none where it failed before it had any. */
async function figuresOf(path: string): Promise<string[]> {
  const text = await readFile(path, 'utf8').catch(() => '')
  return text
    .split('\n')
    .filter((line) => line !== '')
    .flatMap((line) => Object.entries(JSON.parse(line) as Record<string, string | number>))
    .map(([name, value]) => `  ${name.padEnd(42)} ${String(value)}`)
}

const folder = await mkdtemp(join(tmpdir(), 'cratework-accept-'))
const summary: string[] = []
for (const [at, { file, env }] of runs.entries()) {
  const figures = join(folder, String(at))
  const passed = await passes(file, { ...env, CRATEWORK_TEST_FIGURES: figures })
  if (!passed) process.exitCode = 1
  summary.push(`${passed ? 'passed' : 'FAILED'} ${file}`, ...(await figuresOf(figures)))
}
await rm(folder, { recursive: true })
process.stdout.write(`\n${summary.join('\n')}\n`)
