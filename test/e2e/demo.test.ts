import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import sharp from 'sharp'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { startSimulator } from '../../src/dev/stack.ts'
import { endCommands, nothingRuns, startCommand, type Command } from '../support/command.ts'

const ids = ['running-shoe', 'backpack', 'watch', 'sunglasses', 'headphones']

let folder: string

async function newFolder(): Promise<void> {
  folder = await mkdtemp(join(tmpdir(), 'demo-test-'))
}

async function removeFolder(): Promise<void> {
  await rm(folder, { recursive: true, force: true })
}

afterEach(async () => {
  await endCommands(folder)
})

function startDemo(args: readonly string[], env: Record<string, string> = {}): Command {
  return startCommand(['demo', '--folder', folder, ...args], env)
}

/** Rows of the table: custom_id, status, S3 key, size, cost. */
function tableOf(said: string): string[][] {
  return said
    .split('\n')
    .map((line) => line.trim().split(/ {3,}/))
    .filter(([id = '']) => ids.includes(id))
}

describe('cratework demo, run after run', () => {
  beforeAll(newFolder)
  afterAll(removeFolder)

  it('makes five images that decode, hears the signed webhook, and lays the images on a contact sheet', async () => {
    const demo = startDemo(['--exit'])
    expect(await demo.ended, demo.said()).toBe(0)
    expect(demo.said()).toContain('the simulator makes the images: nothing is paid')
    expect(demo.said()).toContain('signed webhook batch.completed received and verified')
    const rows = tableOf(demo.said())
    expect(rows.map(([id, status, key, , cost]) => [id, status, key, cost])).toEqual(
      ids.map((id) => [id, 'succeeded', `images/default/catalog/${id}.png`, '0.003']),
    )
    for (const [, , , size] of rows) expect(size).toMatch(/^1024 x 1024, \d+ kB$/)
    expect(demo.said()).toMatch(/^ {2}total +0\.015$/m)

    const images = join(folder, 'images')
    expect((await readdir(images)).toSorted()).toEqual([...ids.map((id) => `${id}.png`), 'index.html'].toSorted())
    for (const id of ids) {
      const { info } = await sharp(join(images, `${id}.png`))
        .raw()
        .toBuffer({ resolveWithObject: true })
      expect(info).toMatchObject({ width: 1024, height: 1024 })
    }
    const sheet = await readFile(join(images, 'index.html'), 'utf8')
    expect([...sheet.matchAll(/<img src="\.\/([^"]+)"/g)].map(([, file]) => file)).toEqual(ids.map((id) => `${id}.png`))
  })

  it('again, reuses all five and pays nothing, whatever AWS account the shell is set to', async () => {
    const demo = startDemo(['--exit'], { AWS_PROFILE: 'of-the-shop', AWS_SESSION_TOKEN: 'token' })
    expect(await demo.ended, demo.said()).toBe(0)
    expect(tableOf(demo.said()).map(([id, status, , , cost]) => [id, status, cost])).toEqual(
      ids.map((id) => [id, 'reused', '0.00']),
    )
    expect(demo.said()).toContain('All 5 were there already: reused, no call made, nothing paid.')
  })

  it('with a key for Runcrate says first what it will cost, and does not take what the simulator made for the real thing', async () => {
    await using simulator = await startSimulatorForTest()
    const demo = startDemo(['--exit'], keyFor(simulator))
    await demo.until('API ')
    expect(demo.said()).toContain('0.015 dollars for 5.')
    expect(await demo.ended, demo.said()).toBe(0)
    expect(tableOf(demo.said()).map(([, status]) => status)).toEqual(ids.map(() => 'succeeded'))
    expect(demo.said()).toContain('5 calls, 0.015 dollars paid.')
    const calls = (await (await fetch(simulator.control('calls'))).json()) as { total: number; paid: number }
    expect(calls).toMatchObject({ total: 5, paid: 5 })
  })
})

describe('cratework demo', () => {
  beforeEach(newFolder)
  afterEach(removeFolder)

  it('stays up, keeps its folder to itself, shows lines that work as pasted, and ends with 0 at Ctrl-C', async () => {
    const demo = startDemo([])
    await demo.until('Ctrl-C stops everything')
    const lines = demo.said().split('\n')
    const [submit = '', results = ''] = lines.filter((line) => line.startsWith('curl '))
    const batch = JSON.parse(await pasted(submit)) as { id: string }
    await demo.until(`signed webhook batch.completed received and verified: ${batch.id}, 1 of 1 images there`)
    expect((await pasted(results)).trim().split('\n')).toHaveLength(5)

    const second = startDemo(['--exit'])
    expect(await second.ended).toBe(2)
    expect(second.said()).toBe(
      `cratework: ${folder} is in use by another "cratework up" or "cratework demo"; stop that one first\n`,
    )

    demo.signal('SIGINT')
    expect(await demo.ended).toBe(0)
    await nothingRuns(folder)
  })

  it('interrupted in the middle, ends with 130 and leaves nothing running; the next run pays only for the rest', async () => {
    const first = startDemo(['--exit'])
    await first.until(/ [1-4] of 5/)
    first.signal('SIGINT')
    expect(await first.ended).toBe(130)
    await nothingRuns(folder)

    const second = startDemo(['--exit'])
    expect(await second.ended, second.said()).toBe(0)
    const statuses = tableOf(second.said()).map(([, status]) => status)
    expect(statuses.filter((status) => status === 'reused').length).toBeGreaterThan(0)
  })

  it('takes its parts along when it is killed', async () => {
    const demo = startDemo([])
    await demo.until('is accepted')
    demo.signal('SIGKILL')
    expect(await demo.ended).toBe('SIGKILL')
    await nothingRuns(folder)
  })

  it('ends with 1 when images failed, and says which and why', async () => {
    await using simulator = await startSimulatorForTest()
    const plan = JSON.stringify({ rules: [{ fault: 'moderate_in' }] })
    expect((await fetch(simulator.control('faults'), { method: 'PUT', body: plan })).status).toBe(200)
    const demo = startDemo(['--exit'], keyFor(simulator))
    expect(await demo.ended, demo.said()).toBe(1)
    expect(demo.said()).toMatch(/^watch failed: content_moderated, /m)
    expect(tableOf(demo.said()).map(([, status]) => status)).toEqual(ids.map(() => 'failed'))
  })

  it('refuses arguments that it does not know, with its usage', async () => {
    const demo = startDemo(['--quit'])
    expect(await demo.ended).toBe(2)
    expect(demo.said()).toContain("Unknown option '--quit'")
    expect(demo.said()).toContain('usage: cratework demo [--exit] [--folder DIR]')
  })

  it('ends at once with what is wrong with the configuration', async () => {
    const demo = startDemo(['--exit'], { WORKER_CONCURRENCY: 'many', S3_ENDPOINT: 'http://127.0.0.1:1' })
    expect(await demo.ended).toBe(2)
    expect(demo.said()).toMatch(
      /^cratework: S3_BUCKET is not set; .*\ncratework: WORKER_CONCURRENCY holds "many"; .*\n$/,
    )
  })
})

/** A simulator that the demo takes for Runcrate. */
async function startSimulatorForTest() {
  const { url, stop } = await startSimulator({ rateLimit: 0, latencyMs: 20 })
  return { url, control: (path: string) => url.replace(/v1$/, `_sim/${path}`), [Symbol.asyncDispose]: stop }
}

function keyFor({ url }: { url: string }): Record<string, string> {
  return { RUNCRATE_API_KEY: 'rc_live_demo_test', RUNCRATE_BASE_URL: url }
}

/** What a shell makes of the line; a few lines of ours take curl's place, which not every machine has. */
async function pasted(line: string): Promise<string> {
  const curl = join(folder, 'curl')
  await writeFile(
    curl,
    `#!/usr/bin/env node
const [silent, url, ...rest] = process.argv.slice(2)
const headers = {}
let body
for (let at = 0; at < rest.length; at += 2) {
  if (rest[at] === '-H') headers[rest[at + 1].split(': ')[0]] = rest[at + 1].split(': ')[1]
  else if (rest[at] === '-d') body = rest[at + 1]
  else throw new Error(rest[at])
}
if (silent !== '-s') throw new Error(silent)
fetch(url, { method: body === undefined ? 'GET' : 'POST', headers, body }).then((r) => r.text()).then((t) => process.stdout.write(t))
`,
  )
  await chmod(curl, 0o755)
  const node = join(process.execPath, '..')
  const shell = spawn('sh', ['-c', line], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { PATH: [folder, node, process.env['PATH'] ?? ''].join(delimiter) },
  })
  let text = ''
  shell.stdout.setEncoding('utf8').on('data', (piece: string) => {
    text += piece
  })
  await once(shell, 'close')
  return text
}
