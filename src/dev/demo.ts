import { join } from 'node:path'
import { refuse } from '../cli/role.ts'
import { currentEnvironment, type Environment } from '../shared/config/load.ts'
import { openLog } from '../shared/process/log.ts'
import { onShutdown } from '../shared/process/shutdown.ts'
import { readArguments } from './arguments.ts'
import { openClient } from './demo/client.ts'
import { openLogFile } from './demo/log-file.ts'
import { newProgress } from './demo/progress.ts'
import { startReceiver } from './demo/receiver.ts'
import { runCatalog } from './demo/run-catalog.ts'
import { heard, isGood, nextSteps, opening, summary, type Place } from './demo/words.ts'
import { startOneMachine, StartFault, type Machine } from './one-machine.ts'
import { defaultStateFolder, shownPath } from './state-folder.ts'

const usage = `usage: cratework demo [--exit] [--folder DIR]

  --exit         end after the table: with 0 where all went well, else with 1
  --folder DIR   where data, secrets, log and images are kept (default .cratework/demo in the clone)
`

/**
 * `cratework demo`: everything on this machine, and the five products of a catalog made as any client would have them
 * made. Then it stays up until a signal ends it. Exits with 2 for arguments, a configuration or surroundings that do not
 * do, with 1 where something failed, and with 130 where it was interrupted before the table.
 */
export async function runDemo(args: readonly string[]): Promise<void> {
  const given = readArguments(args, { exit: { type: 'boolean' }, folder: { type: 'string' } }, usage)
  const folder = given.folder ?? defaultStateFolder('demo', process.cwd())
  const logPath = join(folder, 'demo.log')
  const env: Environment = { ...currentEnvironment(), LOG_FORMAT: 'json' }
  const machine = await startMachine(folder, logPath, env)

  const interrupted = new AbortController()
  let isOver = false
  const letGo = onShutdown(machine, {
    graceMs: machine.graceMs,
    stop: async () => {
      say('\nstopping: what is in flight is finished first')
      interrupted.abort()
      await machine.stop()
    },
    source: {
      on: (signal, listener) => process.on(signal, listener),
      off: (signal, listener) => process.off(signal, listener),
      exit: (code) => process.exit(code === 0 && !isOver ? 130 : code),
    },
  })
  const good = await demonstrate(machine, { folder, env, signal: interrupted.signal, stays: given.exit !== true })
  if (interrupted.signal.aborted) return // the shutdown ends the process
  isOver = true
  if (!good) say(`Something failed; ${shownPath(logPath)} may say more.`)
  if (good && given.exit !== true) return
  letGo()
  await machine.stop()
  process.exit(good ? 0 : 1)
}

async function startMachine(folder: string, logPath: string, env: Environment): Promise<Machine> {
  const machine = await startOneMachine({
    command: 'demo',
    folder,
    env,
    say,
    announce: ({ missing, config }) => {
      say(opening(missing.provider ? undefined : config.provider.baseUrl))
    },
    openLog: (config) => openLog(config, openLogFile(logPath)),
  }).catch((error: unknown) => {
    if (error instanceof StartFault) refuse(error.message.split('\n'))
    throw error
  })
  say([...machine.about, `  Log       ${shownPath(logPath)}`, ''].join('\n'))
  void machine.broken.then((how) => {
    say(`cratework: ${how}, and nothing goes on without it. Start again: what was accepted is kept.`)
    process.exit(1)
  })
  return machine
}

interface Demonstration {
  readonly folder: string
  readonly env: Environment
  readonly signal: AbortSignal
  /** Whether it goes on when the catalog is done. */
  readonly stays: boolean
}

/** Runs the catalog and shows what came of it. False where anything failed, or it was interrupted. */
async function demonstrate(machine: Machine, { folder, env, signal, stays }: Demonstration): Promise<boolean> {
  const { config, url, clock } = machine
  const simulated = machine.missing.provider
  const verified = new Set<string>()
  let catalog: string | undefined
  try {
    const receiver = await startReceiver({
      secret: config.webhook.secret ?? '',
      received: ({ type, batch }) => {
        verified.add(batch.id)
        if (catalog !== undefined && batch.id !== catalog) say(heard(place, type, batch))
      },
      refused: (why) => {
        say(`a webhook came and was refused: ${why}`)
      },
    })
    const place: Place = { url, authorization: authorization(env, config.apiKey), webhookUrl: receiver.url, simulated }
    await using client = openClient(url, config.apiKey)
    const run = await runCatalog({
      client,
      clock,
      progress: newProgress(process.stdout),
      say,
      webhookUrl: receiver.url,
      isVerified: (batch) => verified.has(batch),
      imagesFolder: join(folder, 'images'),
      simulated,
      signal,
    })
    say(summary(run, simulated, shownPath))
    catalog = run.batch.id
    const good = isGood(run)
    if (good && stays) say(nextSteps(place, catalog))
    return good
  } catch (error) {
    if (!signal.aborted) say(`cratework: ${error instanceof Error ? error.message : String(error)}`)
    return false
  }
}

/** A key that was made here is shown; one of the environment stays there. */
function authorization(env: Environment, apiKey: string): string {
  return env['CRATEWORK_API_KEY'] ? '"Authorization: Bearer $CRATEWORK_API_KEY"' : `'Authorization: Bearer ${apiKey}'`
}

function say(text: string): void {
  process.stdout.write(`${text}\n`)
}
