import { readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'
import type { Random } from '../shared/process/random.ts'

const secrets = z.strictObject({
  apiKey: z.string().min(32),
  secret: z.string().min(32),
  webhookSecret: z.string().startsWith('whsec_'),
  /** Of the embedded S3. */
  accessKeyId: z.string().min(16),
  secretAccessKey: z.string().min(32),
})
export type Secrets = z.infer<typeof secrets>

/**
 * The secrets of one machine: made on the first run, then read, from a file that its owner alone may read. Throws where
 * the file is there and is not what was written.
 */
export function keptSecrets(folder: string, random: Random): Secrets {
  const file = join(folder, 'secrets.json')
  const kept = textOf(file)
  if (kept !== undefined) {
    const parsed = secrets.safeParse(jsonOf(kept))
    if (parsed.success) return parsed.data
    throw new Error(`${file} does not hold the secrets of this machine: remove it, and new ones are made`)
  }
  const made = newSecrets(random)
  // Renamed into its place: a process that ends here leaves no half of a file.
  writeFileSync(`${file}.new`, `${JSON.stringify(made, undefined, 2)}\n`, { mode: 0o600 })
  renameSync(`${file}.new`, file)
  return made
}

function newSecrets(random: Random): Secrets {
  return {
    apiKey: `cw_${random.bytes(24).toString('base64url')}`,
    secret: random.bytes(32).toString('base64url'),
    webhookSecret: `whsec_${random.bytes(32).toString('base64')}`,
    accessKeyId: `CW${random.bytes(9).toString('hex').toUpperCase()}`,
    secretAccessKey: random.bytes(30).toString('base64url'),
  }
}

function textOf(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
