import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect, it } from 'vitest'
import { freshNames } from '../../../support/fresh-names.ts'
import { openTestStore } from '../../../support/test-store.ts'

const body = Buffer.from('the bytes of an image')
const sha256 = createHash('sha256').update(body).digest()
const put = { condition: 'absent', contentType: 'image/png' } as const

it('stores a body by the hash that its writer has, and refuses another body under that hash', async () => {
  const { bucket } = await freshNames(import.meta.filename)
  const store = openTestStore(bucket)
  await store.put('images/one.png', body, { ...put, sha256 })
  expect((await store.get('images/one.png'))?.body).toEqual(body)
  await expect(store.put('images/two.png', Buffer.from('other bytes'), { ...put, sha256 })).rejects.toThrow('S3')
  expect(await store.head('images/two.png')).toBeUndefined()
  store.close()
})

it('signs by the hash that it was given, and by its own where it was given none', async () => {
  const signed: unknown[] = []
  const server = createServer((request, response) => {
    signed.push(request.headers['x-amz-content-sha256'])
    request.resume().on('end', () => response.writeHead(200, { etag: '"a"' }).end())
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const store = openTestStore('a-bucket', {
    endpoint: `http://127.0.0.1:${String((server.address() as AddressInfo).port)}`,
  })
  const given = createHash('sha256').update('something else').digest()
  await store.put('a', body, { ...put, sha256: given })
  await store.put('b', body, put)
  expect(signed).toEqual([given.toString('hex'), sha256.toString('hex')])
  store.close()
  server.close()
})
