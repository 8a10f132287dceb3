import { refuse } from '../cli/role.ts'
import { currentEnvironment, type Environment } from '../shared/config/load.ts'
import { openLog } from '../shared/process/log.ts'
import { onShutdown } from '../shared/process/shutdown.ts'
import { readArguments } from './arguments.ts'
import { startOneMachine, StartFault, type Machine } from './one-machine.ts'
import { defaultStateFolder, shownPath } from './state-folder.ts'

const usage = `usage: cratework up [--folder DIR]

  --folder DIR   where data and secrets are kept (default .cratework/up in the clone)
`

/**
 * `cratework up`: API and worker in this process, with what is not configured embedded on this machine, until a signal ends
 * it. Exits with 2 for arguments, a configuration or surroundings that do not do, and 1 where an embedded part ended.
 */
export async function runUp(args: readonly string[]): Promise<void> {
  const given = readArguments(args, { folder: { type: 'string' } }, usage)
  const folder = given.folder ?? defaultStateFolder('up', process.cwd())
  const env = currentEnvironment()
  const machine = await startOneMachine({ command: 'up', folder, env, say, openLog }).catch((error: unknown) => {
    if (error instanceof StartFault) refuse(error.message.split('\n'))
    throw error
  })
  onShutdown(machine, { graceMs: machine.graceMs, stop: machine.stop })
  say(welcome(machine, folder, env))
  refuseToGoOn(await machine.broken)
}

/** Shows the secrets that were made here; those of the environment are known to whoever set them. */
function welcome({ about, config, url }: Machine, folder: string, env: Environment): string {
  const shown = (name: string, secret = '') => (env[name] ? `the one in ${name}` : secret)
  return [
    '',
    'Cratework is up.',
    '',
    ...about,
    `  State     ${shownPath(folder)}`,
    '',
    `  API key         ${shown('CRATEWORK_API_KEY', config.apiKey)}`,
    `  Webhook secret  ${shown('WEBHOOK_SECRET', config.webhook.secret)}`,
    '',
    `POST ${url}/v1/batches takes batches. Ctrl-C stops everything; what is not done then goes on at the next start.`,
    '',
  ].join('\n')
}

/** The others are children of this process and end with it. */
function refuseToGoOn(how: string): never {
  say(`cratework: ${how}, and nothing goes on without it. Start again: what was accepted is kept.`)
  process.exit(1)
}

function say(text: string): void {
  process.stderr.write(`${text}\n`)
}
