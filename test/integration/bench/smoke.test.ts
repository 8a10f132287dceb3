import { execFile } from 'node:child_process'
import { readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, it } from 'vitest'

const run = promisify(execFile)
const bench = join(import.meta.dirname, '..', '..', '..', 'bench', 'run.ts')

const positive = expect.toSatisfy((value: unknown) => typeof value === 'number' && value > 0)
const sample = { cpuMs: expect.any(Number), perSecond: positive, parts: expect.any(Object) }
const measured = {
  about: expect.any(String),
  items: 12,
  ours: sample,
  bare: sample,
  ratio: { cpu: expect.any(Number), perSecond: positive },
  rounds: [{ ours: sample, bare: sample }],
}

it('the bench runs every row with few items and says what it found as a table and as JSON', async () => {
  const folder = join(tmpdir(), 'bench-smoke')
  const { stdout } = await run(process.execPath, [bench, '--items', '12', '--rounds', '1', '--folder', folder])
  const path = stdout.trim().split('\n').at(-1) ?? ''
  expect(path.startsWith(folder)).toBe(true)
  const report: unknown = JSON.parse(await readFile(path, 'utf8'))
  expect(report).toMatchObject({
    v: 1,
    taken_at: expect.stringMatching(/^\d{4}-/),
    cores: positive,
    rows: [
      { ...measured, name: '32 kB by URL', against: 'the bare loop', unit: 'image' },
      { ...measured, name: '1 MB by base64', against: 'the bare loop', unit: 'image' },
      { ...measured, name: 'a 1 MB answer read', unit: 'answer' },
    ],
  })
  // Whose CPU it was: all of ours, and the stand-ins beside them.
  expect(report).toHaveProperty('rows[0].ours.parts', {
    api: expect.any(Number),
    worker: expect.any(Number),
    redis: positive,
    s3: expect.any(Number),
    provider: expect.any(Number),
  })
  for (const name of ['32 kB by URL', '1 MB by base64', 'Cratework', 'the bare loop', 'ratio']) {
    expect(stdout).toContain(name)
  }
  await rm(folder, { recursive: true })
}, 120_000)

it('the bench refuses what it does not understand, with the usage', async () => {
  const failed = run(process.execPath, [bench, '--row', 'no such row'])
  await expect(failed).rejects.toMatchObject({ code: 2, stderr: expect.stringContaining('usage: npm run bench') })
})
