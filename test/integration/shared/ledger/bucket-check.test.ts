import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createServer } from 'node:http'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { bucketFault } from '../../../../src/shared/ledger/bucket-check.ts'
import type { Store } from '../../../../src/shared/ledger/store.ts'
import { systemRandom } from '../../../../src/shared/process/random.ts'
import { freshNames } from '../../../support/fresh-names.ts'
import { openTestStore } from '../../../support/test-store.ts'

interface Manners {
  readonly ifNoneMatch: boolean
  readonly ifMatch: boolean
  readonly forgets: boolean
  readonly missing: 403 | 404
}

/** An S3 of few words over HTTP, with the manners of some that are about. */
async function startFake(manners: Manners): Promise<{ store: Store; stop(): Promise<void> }> {
  const objects = new Map<string, string>()
  let made = 0
  const server = createServer((request, response) => {
    request.resume()
    const path = (request.url ?? '').split('?')[0] ?? ''
    const etag = objects.get(path)
    const answer = (status: number, headers: Record<string, string> = {}): void => {
      response.writeHead(status, headers).end()
    }
    if (request.method === 'PUT') {
      const { 'if-none-match': ifNoneMatch, 'if-match': ifMatch } = request.headers
      if (manners.ifNoneMatch && ifNoneMatch === '*' && etag !== undefined) answer(412)
      else if (manners.ifMatch && ifMatch !== undefined && ifMatch !== etag) answer(412)
      else {
        made += 1
        objects.set(path, `"${String(made)}"`)
        answer(200, { etag: `"${String(made)}"` })
      }
    } else if (request.method === 'DELETE') {
      if (manners.forgets) objects.delete(path)
      answer(204)
    } else if (etag === undefined) answer(manners.missing)
    else answer(200, { etag })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const store = openTestStore('bucket', { endpoint: `http://127.0.0.1:${String(port)}`, deadlineMs: 2000 })
  return {
    store,
    async stop() {
      store.close()
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}

const good: Manners = { ifNoneMatch: true, ifMatch: true, forgets: true, missing: 404 }

async function faultOf(manners: Manners): Promise<string | undefined> {
  const fake = await startFake(manners)
  try {
    return await bucketFault(fake.store, systemRandom)
  } finally {
    await fake.stop()
  }
}

describe('bucketFault', () => {
  let store: Store
  beforeAll(async () => {
    store = openTestStore((await freshNames(import.meta.filename)).bucket)
  })
  afterAll(() => {
    store.close()
  })

  it('finds nothing wrong with a good bucket, and leaves nothing in it', async () => {
    expect(await bucketFault(store, systemRandom)).toBeUndefined()
    expect(await store.list('')).toMatchObject({ keys: [], more: false })
    expect(await faultOf(good)).toBeUndefined()
  })

  it('refuses one that ignores If-None-Match: two batches could take one id', async () => {
    expect(await faultOf({ ...good, ifNoneMatch: false })).toContain('If-None-Match')
    expect(await faultOf({ ...good, ifNoneMatch: false, ifMatch: false })).toContain('If-None-Match')
  })

  it('refuses one that ignores If-Match: a late writer would win', async () => {
    expect(await faultOf({ ...good, ifMatch: false })).toContain('If-Match')
  })

  it('refuses one that goes on showing what was deleted', async () => {
    expect(await faultOf({ ...good, forgets: false })).toContain('deleted')
  })

  it('refuses one that answers a HEAD of a missing key with 403: nobody could tell whether an image is there', async () => {
    expect(await faultOf({ ...good, missing: 403 })).toMatch(/404.*s3:ListBucket.*403/)
  })

  it('throws where there is no S3, or no such bucket: that is another fault', async () => {
    const nowhere = openTestStore('bucket', { endpoint: 'http://127.0.0.1:1', deadlineMs: 300 })
    await expect(bucketFault(nowhere, systemRandom)).rejects.toMatchObject({ class: 'storage_closed' })
    nowhere.close()
    const missing = openTestStore('no-such-bucket-anywhere')
    await expect(bucketFault(missing, systemRandom)).rejects.toMatchObject({ class: 'storage_closed' })
    missing.close()
  })
})
