import { spawn } from 'node:child_process'
import type { ChildProcessByStdio } from 'node:child_process'
import { once } from 'node:events'
import { cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'

// The bootstrap in a clone of three files, with an npm that only notes that it was called.

const npm = `
  const fs = require('node:fs')
  fs.appendFileSync('../npm-calls', process.argv.slice(2).join(' ') + '\\n')
  if (fs.existsSync('../npm-fails')) process.exit(1)
  setTimeout(() => fs.mkdirSync('node_modules', { recursive: true }), 300)`

const main = `
  process.on('SIGTERM', () => process.exit(7))
  if (process.argv.includes('--hang')) setInterval(() => {}, 1000)
  console.log(process.argv.slice(2).join(' '))`

let folder: string

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'first-run-test-'))
  const clone = join(folder, 'clone')
  await mkdir(join(clone, 'src', 'cli'), { recursive: true })
  await mkdir(join(clone, 'scripts'))
  await cp(join(import.meta.dirname, '../../../scripts/first-run.mjs'), join(clone, 'scripts', 'first-run.mjs'))
  await writeFile(join(clone, 'src', 'cli', 'main.ts'), main)
  await writeFile(join(clone, 'package-lock.json'), '{}')
  await writeFile(join(folder, 'npm-cli.js'), npm)
})

afterEach(async () => {
  await rm(folder, { recursive: true, force: true })
})

function start(args: string[], env: NodeJS.ProcessEnv = {}): ChildProcessByStdio<null, Readable, Readable> {
  return spawn(process.execPath, [join(folder, 'clone', 'scripts', 'first-run.mjs'), ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, npm_execpath: join(folder, 'npm-cli.js'), ...env },
  })
}

async function run(args: string[], env?: NodeJS.ProcessEnv) {
  const child = start(args, env)
  const [stdout, stderr, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'exit')])
  return { stdout, stderr, code: code as number }
}

async function npmCalls(): Promise<string[]> {
  const calls = await readFile(join(folder, 'npm-calls'), 'utf8').catch(() => '')
  return calls.split('\n').filter((line) => line !== '')
}

describe('the first run', () => {
  it('installs what the lock says, without scripts, and goes on with what was asked for', async () => {
    const { stdout, code } = await run(['demo', '--exit'])
    expect(await npmCalls()).toEqual(['ci --ignore-scripts --no-audit --no-fund --loglevel=error'])
    expect(stdout).toBe('demo --exit\n')
    expect(code).toBe(0)
  })

  it('installs again only when the lock has changed', async () => {
    await run(['demo'])
    await run(['demo'])
    expect(await npmCalls()).toHaveLength(1)
    await writeFile(join(folder, 'clone', 'package-lock.json'), '{"packages":{}}')
    await run(['demo'])
    expect(await npmCalls()).toHaveLength(2)
  })

  it('installs once where two are started together', async () => {
    const both = await Promise.all([run(['demo']), run(['up'])])
    expect(await npmCalls()).toHaveLength(1)
    expect(both.map(({ stdout }) => stdout)).toEqual(['demo\n', 'up\n'])
  })

  it('says that the install failed, and does not take it for done the next time', async () => {
    await writeFile(join(folder, 'npm-fails'), '')
    const { stderr, stdout, code } = await run(['demo'])
    expect(code).toBe(2)
    expect(stdout).toBe('')
    expect(stderr).toContain('npm ci ended with code 1')
    await rm(join(folder, 'npm-fails'))
    expect((await run(['demo'])).code).toBe(0)
    expect(await npmCalls()).toHaveLength(2)
  })

  it('finds the npm on PATH where npm did not start it', async () => {
    await mkdir(join(folder, 'bin'))
    await symlink(join(folder, 'npm-cli.js'), join(folder, 'bin', 'npm'))
    const { stdout } = await run(['demo'], { npm_execpath: '', PATH: join(folder, 'bin') })
    expect(stdout).toBe('demo\n')
    expect(await npmCalls()).toHaveLength(1)
  })

  it('refuses what it does not know in a line', async () => {
    const { stderr, code } = await run(['dmeo'])
    expect(code).toBe(2)
    expect(stderr).toBe('"dmeo" is none of demo, up, test, check, accept, build, bench.\n')
  })

  it('passes a signal on and ends with the code of what it started', async () => {
    const child = start(['up', '--hang'])
    await once(child.stdout, 'data')
    child.kill('SIGTERM')
    expect(await once(child, 'exit')).toEqual([7, null])
  })
  it('ends what it started when the npm that runs it is gone', async () => {
    const command = `"${process.execPath}" "${join(folder, 'clone', 'scripts', 'first-run.mjs')}" up --hang; true`
    const shell = spawn('sh', ['-c', command], {
      stdio: ['ignore', 'pipe', 'ignore'],
      env: { ...process.env, npm_execpath: join(folder, 'npm-cli.js'), npm_lifecycle_event: 'up' },
    })
    await once(shell.stdout, 'data')
    shell.kill('SIGKILL')
    const end = once(shell.stdout.resume(), 'end') // nobody holds it any more
    await expect(end).resolves.toEqual([])
  })
})
