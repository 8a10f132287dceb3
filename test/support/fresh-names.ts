import { randomBytes } from 'node:crypto'
import { inject } from 'vitest'
import { makeBucket } from './stack.ts'

/** Names that no other test file has. */
export interface FreshNames {
  /** Of all Redis keys, with a hash tag. */
  readonly redisPrefix: string
  /** Exists and is empty. */
  readonly bucket: string
}

/** A Redis prefix and an empty bucket for one test alone. `file` (`import.meta.filename`) is heard in the bucket's name. */
export async function freshNames(file: string): Promise<FreshNames> {
  const id = randomBytes(6).toString('hex')
  const name = (/([^/\\]+?)(\.test)?\.ts$/.exec(file)?.[1] ?? 'test').toLowerCase().replaceAll(/[^a-z0-9-]/g, '-')
  const bucket = `t-${name.slice(0, 40)}-${id}`
  await makeBucket(inject('s3'), bucket)
  return { redisPrefix: `{t-${id}}`, bucket }
}
