import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { processesOf } from '../../support/leftovers.ts'

describe.skipIf(process.platform !== 'linux')('what a test run leaves behind', () => {
  it('is known by the mark in its environment, or by its working directory', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'leftovers-test-'))
    const inner = await mkdtemp(join(folder, 'data-'))
    const script = "console.log('ready'); setInterval(String, 1000)"
    const marked = spawn(process.execPath, ['--eval', script], { env: { LEFTOVERS_TEST: folder } })
    const inside = spawn(process.execPath, ['--eval', script], { cwd: inner, env: {} })
    const stranger = spawn(process.execPath, ['--eval', script], { env: {} })
    const all = [marked, inside, stranger]
    try {
      await Promise.all(all.map(async ({ stdout }) => once(stdout, 'data')))
      const found = await processesOf({ variable: `LEFTOVERS_TEST=${folder}`, folder }, new Set())
      expect(new Set(found.map(({ pid }) => pid))).toEqual(new Set([marked.pid, inside.pid]))
      const others = await processesOf({ variable: `LEFTOVERS_TEST=${folder}`, folder }, new Set([inside.pid ?? 0]))
      expect(others.map(({ pid }) => pid)).toEqual([marked.pid])
    } finally {
      for (const child of all) child.kill('SIGKILL')
      await rm(folder, { recursive: true, force: true })
    }
  })
})
