// What `.ci/run` runs: the checks, then the tests. The last line is `N passed, N failed`, where a failed check, or a test
// run that failed for another reason than a test, is one failure more. Plain JavaScript: it comes before the first run.
import { spawnSync } from 'node:child_process'
import { mkdirSync, readFileSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const report = join(root, '.cratework', 'ci', 'tests.json')

function run(target, args) {
  const script = join(root, 'scripts', 'first-run.mjs')
  const { status } = spawnSync(process.execPath, [script, target, ...args], { cwd: root, stdio: 'inherit' })
  return status === 0
}

function readReport() {
  try {
    return JSON.parse(readFileSync(report, 'utf8'))
  } catch {
    return { numPassedTests: 0, numFailedTests: 0, numPendingTests: 0, numTodoTests: 0 }
  }
}

mkdirSync(dirname(report), { recursive: true })
rmSync(report, { force: true })
const isChecked = run('check', [])
const isTested = run('test', ['--reporter=default', '--reporter=json', `--outputFile.json=${report}`])

const tests = readReport()
let failed = tests.numFailedTests
if (!isTested && failed === 0) failed += 1
if (!isChecked) failed += 1
const skipped = tests.numPendingTests + tests.numTodoTests
process.stdout.write(
  `\n${tests.numPassedTests} passed, ${failed} failed${skipped === 0 ? '' : `, ${skipped} skipped`}\n`,
)
process.exitCode = failed === 0 ? 0 : 1
