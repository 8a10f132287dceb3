import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { newReport, reportOf, tableOf, writeReport, type RowReport } from './report.ts'
import type { Round, Row } from './row.ts'
import { base64of1mb } from './rows/base64-1mb.ts'
import { scanAnswer } from './rows/scan-answer.ts'
import { url32kb } from './rows/url-32kb.ts'
import { startSurroundings, type Surroundings } from './surroundings.ts'

// `npm run bench`: what an image costs, held against a bare loop in the same run. No threshold: a figure that is judged
// by a machine on a machine of somebody's is a coin. docs/performance.md says how to read it.

const rows: readonly Row[] = [url32kb, base64of1mb, scanAnswer]

const usage = `usage: npm run bench -- [--row NAME]... [--items N] [--rounds N] [--seconds N] [--folder DIRECTORY] [--profile]

  --row NAME          only this row: ${rows.map(({ name }) => JSON.stringify(name)).join(', ')}
  --items N           images a contender makes in one round (default: each row's own)
  --rounds N          rounds that count, after one that does not (default 3)
  --seconds N         begin no further round once this would be over (default 110)
  --folder DIRECTORY  where the JSON file goes (default .cratework/bench)
  --profile           write the worker's CPU profile there too (open it in a browser's developer tools)
`

interface Options {
  readonly rows: readonly Row[]
  readonly items: number | undefined
  readonly rounds: number
  readonly seconds: number
  readonly folder: string
  readonly profile: boolean
}

function say(line: string): void {
  process.stderr.write(`${line}\n`)
}

function readOptions(argv: readonly string[]): Options {
  const { values } = parseArgs({
    args: [...argv],
    options: {
      row: { type: 'string', multiple: true, default: [] },
      items: { type: 'string' },
      rounds: { type: 'string', default: '3' },
      seconds: { type: 'string', default: '110' },
      folder: { type: 'string', default: join(import.meta.dirname, '..', '.cratework', 'bench') },
      profile: { type: 'boolean', default: false },
    },
  })
  const unknown = values.row.find((name) => !rows.some((row) => row.name === name))
  if (unknown !== undefined) throw new Error(`there is no row ${JSON.stringify(unknown)}`)
  return {
    rows: values.row.length === 0 ? rows : rows.filter(({ name }) => values.row.includes(name)),
    items: values.items === undefined ? undefined : count('--items', values.items),
    rounds: count('--rounds', values.rounds),
    seconds: count('--seconds', values.seconds),
    folder: values.folder,
    profile: values.profile,
  }
}

function count(option: string, text: string): number {
  const value = Number(text)
  if (!Number.isInteger(value) || value < 1 || value > 100_000) {
    throw new Error(`${option} must be a whole number from 1 to 100,000`)
  }
  return value
}

/** Warms both contenders up, then goes round the rows, so that what changes on the machine meets all of them. */
async function measure(surroundings: Surroundings, options: Options): Promise<RowReport[]> {
  const itemsOf = (row: Row): number => options.items ?? row.items
  const found = options.rows.map((row) => ({ row, rounds: [] as Round[] }))
  const startedMs = performance.now()
  let longestMs = 0
  for (let round = 0; round <= options.rounds; round += 1) {
    const beganMs = performance.now()
    const leftMs = options.seconds * 1000 - (beganMs - startedMs)
    if (round > 1 && leftMs < longestMs) {
      say(`the time is up after ${String(round - 1)} of ${String(options.rounds)} rounds`)
      break
    }
    for (const { row, rounds } of found) {
      say(`${round === 0 ? 'warming up' : `round ${String(round)} of ${String(options.rounds)}`}: ${row.name}`)
      const both = await row.round(surroundings, itemsOf(row), round % 2 === 0)
      if (round > 0) rounds.push(both)
    }
    longestMs = Math.max(longestMs, performance.now() - beganMs)
  }
  return found.map(({ row, rounds }) => reportOf(row, itemsOf(row), rounds))
}

async function run(options: Options): Promise<void> {
  const data = await mkdtemp(join(tmpdir(), 'cratework-bench-'))
  await using undo = new AsyncDisposableStack()
  undo.defer(() => rm(data, { recursive: true, force: true }))
  const surroundings = undo.use(
    await startSurroundings({ folder: data, say, profileInto: options.profile ? options.folder : undefined }),
  )
  const interrupted = Promise.race([once(process, 'SIGINT'), once(process, 'SIGTERM')]).then(() => undefined)
  const measured = await Promise.race([measure(surroundings, options), interrupted])
  if (measured === undefined) {
    process.exitCode = 130
    return
  }
  const report = newReport(measured, new Date())
  process.stdout.write(`\n${tableOf(report)}`)
  process.stdout.write(`${await writeReport(options.folder, report)}\n`)
}

let options: Options | undefined
try {
  options = readOptions(process.argv.slice(2))
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n\n${usage}`)
  process.exitCode = 2
}
if (options !== undefined) await run(options)
