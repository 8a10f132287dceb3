import { Failure } from '../failures/failure.ts'
import type { Random } from '../process/random.ts'
import { StoreConflict, type PutOptions, type Store } from './store.ts'

/**
 * What is wrong with the bucket, in one sentence, or undefined: everything here stands on conditional writes, so a
 * bucket that does not honour them is refused. Throws `storage_closed` where S3 does not answer at all.
 */
export async function bucketFault(store: Store, random: Random): Promise<string | undefined> {
  const path = `config/check/${random.bytes(12).toString('hex')}`
  const options: PutOptions = { condition: 'absent', contentType: 'text/plain' }
  const { etag } = await store.put(path, 'first', options)
  try {
    if (!(await refuses(store, path, options))) return 'the bucket does not honour If-None-Match: * on a PUT'
    if (!(await refuses(store, path, { ...options, condition: { etag: '"00000000000000000000000000000000"' } }))) {
      return 'the bucket does not honour If-Match on a PUT'
    }
    await store.put(path, 'second', { ...options, condition: { etag } })
  } finally {
    await store.remove(path)
  }
  try {
    if ((await store.head(path)) !== undefined) return 'the bucket still shows an object that was deleted'
  } catch (error) {
    if (!(error instanceof Failure)) throw error
    return `a HEAD of a missing key must be answered with 404, which takes the s3:ListBucket permission (${error.message})`
  }
  return undefined
}

async function refuses(store: Store, path: string, options: PutOptions): Promise<boolean> {
  try {
    await store.put(path, 'other', options)
    return false
  } catch (error) {
    if (error instanceof StoreConflict) return true
    throw error
  }
}
