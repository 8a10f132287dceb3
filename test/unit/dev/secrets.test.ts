import { mkdtemp, readFile, readdir, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { keptSecrets } from '../../../src/dev/secrets.ts'
import { loadConfig } from '../../../src/shared/config/load.ts'
import { systemRandom } from '../../../src/shared/process/random.ts'

let folder: string

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'secrets-test-'))
})

afterEach(async () => {
  await rm(folder, { recursive: true, force: true })
})

describe('the secrets of one machine', () => {
  it('are made once and then the same', async () => {
    const made = keptSecrets(folder, systemRandom)
    expect(keptSecrets(folder, systemRandom)).toEqual(made)
    expect(await readdir(folder)).toEqual(['secrets.json'])
    await rm(join(folder, 'secrets.json'))
    expect(keptSecrets(folder, systemRandom).apiKey).not.toBe(made.apiKey)
  })

  it('are for their owner alone to read', async () => {
    keptSecrets(folder, systemRandom)
    expect((await stat(join(folder, 'secrets.json'))).mode & 0o777).toBe(0o600)
  })

  it('are what the configuration takes', () => {
    const { apiKey, secret, webhookSecret } = keptSecrets(folder, systemRandom)
    const loaded = loadConfig(
      {
        CRATEWORK_API_KEY: apiKey,
        CRATEWORK_SECRET: secret,
        WEBHOOK_SECRET: webhookSecret,
        REDIS_URL: 'redis://localhost',
        S3_BUCKET: 'bucket',
      },
      ['api'],
    )
    expect(loaded).toMatchObject({ config: { apiKey, webhook: { secret: webhookSecret } } })
  })

  it('that were damaged are not made anew without a word: the key is in somebody’s hands', async () => {
    const file = join(folder, 'secrets.json')
    await writeFile(file, '{"apiKey":')
    expect(() => keptSecrets(folder, systemRandom)).toThrow(`${file} does not hold the secrets of this machine`)
    expect(await readFile(file, 'utf8')).toBe('{"apiKey":')
  })
})
