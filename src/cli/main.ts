#!/usr/bin/env node
import { refuse } from './role.ts'

/** Every command, and what it starts: loaded only when it is asked for. */
const commands: Record<string, { about: string; run: (args: string[]) => Promise<void> }> = {
  api: {
    about: 'the HTTP API: takes batches in, tells how they are',
    run: async () => {
      await (await import('./role.ts')).runRole('api')
    },
  },
  worker: {
    about: 'makes the images, stores them, delivers the webhooks',
    run: async () => {
      await (await import('./role.ts')).runRole('worker')
    },
  },
  recover: {
    about: 'holds Redis against the ledger now: brings back what Redis lost',
    run: async () => {
      await (await import('./recover.ts')).runRecover()
    },
  },
  up: {
    about: 'API and worker on one machine, with whatever is not configured embedded',
    run: async (args) => {
      await (await import('../dev/up.ts')).runUp(args)
    },
  },
  demo: {
    about: 'the whole thing on this machine with five products; --exit ends it after the table',
    run: async (args) => {
      await (await import('../dev/demo.ts')).runDemo(args)
    },
  },
  simulator: {
    about: "a local stand-in for Runcrate's image API; --port N",
    run: async (args) => {
      await (await import('../dev/simulator/main.ts')).runSimulator(args)
    },
  },
}

const usage = [
  'usage: cratework COMMAND',
  '',
  ...Object.entries(commands).map(([name, { about }]) => `  ${name.padEnd(10)} ${about}`),
  '',
].join('\n')

const [name = 'help', ...args] = process.argv.slice(2)
if (name === 'help' || name === '--help' || name === '-h') {
  process.stdout.write(usage)
} else {
  const command = Object.hasOwn(commands, name) ? commands[name] : undefined
  if (command === undefined) refuse([`unknown command ${JSON.stringify(name)}`, ...usage.split('\n').slice(0, -1)])
  await command.run(args)
}
