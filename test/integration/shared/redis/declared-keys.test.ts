import { readFileSync } from 'node:fs'
import { glob, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { z } from 'zod'
import type { Store } from '../../../../src/shared/ledger/store.ts'
import type { Redis } from '../../../../src/shared/redis/connect.ts'
import { defineScript } from '../../../../src/shared/redis/script.ts'
import { declaredKeysOnly } from '../../../support/declared-keys.ts'
import { freshEngine, openRedis } from '../../../support/engine.ts'
import { runEveryScript } from '../../../support/every-script.ts'
import { freshNames } from '../../../support/fresh-names.ts'
import { onLedger } from '../../../support/ledger-engine.ts'
import { openTestStore } from '../../../support/test-store.ts'

let redis: Redis
let store: Store
beforeAll(async () => {
  redis = openRedis()
  store = openTestStore((await freshNames(import.meta.filename)).bucket)
})
afterAll(() => {
  redis.disconnect()
  store.close()
})

const root = join(import.meta.dirname, '..', '..', '..', '..')

async function scriptFiles(): Promise<Map<string, string>> {
  const found = new Map<string, string>()
  for await (const file of glob('src/**/*.lua', { cwd: root })) {
    const text = readFileSync(join(root, file), 'utf8')
    if (!text.startsWith('-- Library:')) found.set(file, text)
  }
  return found
}

describe('a script of ours', () => {
  it('touches only keys that it declares, so that a Cluster may run it; and each is run here', async () => {
    const engine = await freshEngine(redis)
    await using declared = await declaredKeysOnly(redis)
    const { queues, ...ledger } = onLedger(engine, store)
    await runEveryScript({ ...ledger, queues, redis: declared.redis })
    const ran = [...declared.ran]
    const files = [...(await scriptFiles())]
    expect(files.length).toBeGreaterThan(25)
    expect(files.filter(([, text]) => !ran.some((one) => one.endsWith(text))).map(([file]) => file)).toEqual([])
  })

  it('would be found out if it touched another key', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'undeclared-'))
    const file = join(folder, 'undeclared.lua')
    await writeFile(file, "return redis.call('EXISTS', first .. ':tail')\n")
    const script = defineScript({ file: pathToFileURL(file), keys: ['first'], args: [], answer: z.number() })
    const { keys } = await freshEngine(redis)
    expect(await script(redis, { first: keys.epoch }, {})).toBe(0)
    await using declared = await declaredKeysOnly(redis)
    await expect(script(declared.redis, { first: keys.epoch }, {})).rejects.toThrow(
      /NOPERM|access at least one of the keys/,
    )
    await rm(folder, { recursive: true })
  })
})
