import { execFile } from 'node:child_process'
import { glob, mkdir, mkdtemp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { build } from '../../../scripts/build.ts'

const root = join(import.meta.dirname, '..', '..', '..')
const run = promisify(execFile)

let out: string

beforeAll(async () => {
  // In the clone, so that the packages are found from there.
  const folder = join(root, '.cratework')
  await mkdir(folder, { recursive: true })
  out = await mkdtemp(join(folder, 'build-test-'))
  await build(out)
}, 60_000)

afterAll(async () => {
  await rm(out, { recursive: true, force: true })
})

async function filesBelow(folder: string, pattern: string): Promise<string[]> {
  const found: string[] = []
  for await (const path of glob(pattern, { cwd: folder })) found.push(path)
  return found.toSorted()
}

describe('the build', () => {
  it('has every source as JavaScript, and every Lua script at its place', async () => {
    const sources = await filesBelow(join(root, 'src'), '**/*.ts')
    expect(await filesBelow(out, '**/*.js')).toEqual(sources.map((path) => path.replace(/\.ts$/, '.js')))
    expect(await filesBelow(out, '**/*.ts')).toEqual([])
    const scripts = await filesBelow(join(root, 'src'), '**/*.lua')
    expect(scripts.length).toBeGreaterThan(0)
    expect(await filesBelow(out, '**/*.lua')).toEqual(scripts)
  })

  it('runs as an executable', async () => {
    const { stdout } = await run(join(out, 'cli', 'main.js'), ['help'], {
      env: { ...process.env, PATH: `${join(process.execPath, '..')}:${process.env.PATH ?? ''}` },
    })
    expect(stdout).toMatch(/^usage: cratework COMMAND/)
  })

  it('refuses to start a role without its configuration, naming what is missing', async () => {
    const api = run(process.execPath, [join(out, 'cli', 'main.js'), 'api'], { env: { PATH: process.env.PATH } })
    await expect(api).rejects.toMatchObject({ code: 2, stderr: expect.stringContaining('REDIS_URL is not set') })
  })

  it('starts parts as processes of their own, as the source does', async () => {
    const script = `
      import { startSimulator } from ${JSON.stringify(join(out, 'dev', 'stack.js'))}
      const simulator = await startSimulator({})
      console.log((await fetch(new URL('/_sim/calls', simulator.url))).status)
      await simulator.stop()`
    const { stdout } = await run(process.execPath, ['--input-type=module', '--eval', script])
    expect(stdout).toBe('200\n')
  })
})
