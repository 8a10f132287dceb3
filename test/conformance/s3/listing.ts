import { ListObjectsV2Command, paginateListObjectsV2, PutObjectCommand } from '@aws-sdk/client-s3'
import type { ListObjectsV2CommandInput } from '@aws-sdk/client-s3'
import pLimit from 'p-limit'
import { beforeAll, expect, it } from 'vitest'
import type { Setting } from './setting.ts'

export function listingChecks({ target, client, bucket, prefix, at }: Setting): void {
  async function fill(names: readonly string[]): Promise<void> {
    const limit = pLimit(50)
    await Promise.all(
      names.map((name) => limit(() => client.send(new PutObjectCommand({ ...at(name), Body: Buffer.from(name) })))),
    )
  }

  /** All pages below a folder of the run; keys and folders without the run's prefix. */
  async function list(folder: string, more: Partial<ListObjectsV2CommandInput> = {}) {
    const pages: { keys: string[]; folders: string[] }[] = []
    const input = { Bucket: bucket, Prefix: prefix + folder, ...more }
    for await (const page of paginateListObjectsV2({ client }, input)) {
      const keys = (page.Contents ?? []).map(({ Key }) => Key?.slice(prefix.length) ?? '')
      const folders = (page.CommonPrefixes ?? []).map(({ Prefix }) => Prefix?.slice(prefix.length) ?? '')
      expect(page.KeyCount).toBe(keys.length + folders.length)
      pages.push({ keys, folders })
    }
    return pages
  }

  const many = Array.from({ length: 1001 }, (_, index) => `many/${String(index).padStart(4, '0')}`)
  const odd = ['o/B', 'o/a', 'o/a ', 'o/a-', 'o/a/', 'o/a/b', 'o/aa', 'o/é', 'o/\u{ff5e}', 'o/\u{1f600}']
  const flat = ['f/B', 'f/a', 'f/a-', 'f/aa', 'f/é', 'f/\u{ff5e}', 'f/\u{1f600}']
  const tree = ['t/', 't/a', 't/b/1', 't/b/2', 't/b/c/3', 't/b-', 't/b0', 't/d/4', 't/e', 'tt/outside']

  beforeAll(async () => {
    await fill([...many, ...flat, ...tree])
    if (!target.quirks.includes('folder order')) await fill(odd)
  })

  it('gives 1,001 keys on two pages', async () => {
    const [first, second, third] = await list('many/')
    expect(first?.keys).toEqual(many.slice(0, 1000))
    expect(second?.keys).toEqual(many.slice(1000))
    expect(third).toBeUndefined()
  })

  it('goes on behind a key, be it there or not', async () => {
    expect((await list('many/', { StartAfter: at('many/0990').Key })).flatMap(({ keys }) => keys)).toEqual(
      many.slice(991),
    )
    expect((await list('many/', { StartAfter: at('many/0990-').Key })).flatMap(({ keys }) => keys)).toEqual(
      many.slice(991),
    )
    const pages = await list('many/', { StartAfter: at('many/0990').Key, MaxKeys: 4 })
    expect(pages.map(({ keys }) => keys.length)).toEqual([4, 4, 2])
    expect(pages.flatMap(({ keys }) => keys)).toEqual(many.slice(991))
    expect(await list('many/', { StartAfter: at('a').Key, MaxKeys: 1000 })).toHaveLength(2)
  })

  it('says that there is more, and not where there is none', async () => {
    const ask = { Bucket: bucket, Prefix: at('many/').Key, StartAfter: at('many/0990').Key }
    expect(await client.send(new ListObjectsV2Command({ ...ask, MaxKeys: 10 }))).toMatchObject({ IsTruncated: false })
    const more = await client.send(new ListObjectsV2Command({ ...ask, MaxKeys: 9 }))
    expect(more.IsTruncated).toBe(true)
    expect(more.NextContinuationToken).toBeTruthy()
  })

  it.skipIf(target.quirks.includes('folder order'))('orders keys by the bytes of their UTF-8', async () => {
    const inOrder = odd.toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
    expect(inOrder).not.toEqual(odd.toSorted())
    expect((await list('o/')).flatMap(({ keys }) => keys)).toEqual(inOrder)
    expect((await list('o/', { MaxKeys: 1 })).flatMap(({ keys }) => keys)).toEqual(inOrder)
  })

  it('orders the keys of one folder by the bytes of their UTF-8', async () => {
    expect(flat).not.toEqual(flat.toSorted())
    expect((await list('f/')).flatMap(({ keys }) => keys)).toEqual(flat)
    expect((await list('f/', { MaxKeys: 2 })).flatMap(({ keys }) => keys)).toEqual(flat)
  })

  it('puts what is below a delimiter in folders', async () => {
    expect(await list('t/', { Delimiter: '/' })).toEqual([
      { keys: ['t/', 't/a', 't/b-', 't/b0', 't/e'], folders: ['t/b/', 't/d/'] },
    ])
    expect(await list('t/b', { Delimiter: '/' })).toEqual([{ keys: ['t/b-', 't/b0'], folders: ['t/b/'] }])
    expect(await list('t/b/', { Delimiter: '/' })).toEqual([{ keys: ['t/b/1', 't/b/2'], folders: ['t/b/c/'] }])
  })

  it('counts a folder once, over all pages', async () => {
    const pages = await list('t/', { Delimiter: '/', MaxKeys: 2 })
    expect(pages.map(({ keys, folders }) => keys.length + folders.length)).toEqual([2, 2, 2, 1])
    expect(pages.flatMap(({ keys }) => keys)).toEqual(['t/', 't/a', 't/b-', 't/b0', 't/e'])
    expect(pages.flatMap(({ folders }) => folders)).toEqual(['t/b/', 't/d/'])
  })

  it('gives an empty page where nothing is', async () => {
    expect(await list('nothing/')).toEqual([{ keys: [], folders: [] }])
  })

  it('tells size, ETag and time of each', async () => {
    const { Contents } = await client.send(new ListObjectsV2Command({ Bucket: bucket, Prefix: at('t/b/1').Key }))
    expect(Contents).toHaveLength(1)
    expect(Contents?.[0]).toMatchObject({ Size: 5 })
    expect(Contents?.[0]?.ETag).toMatch(/^"[^"]+"$/)
    expect(Math.abs(Date.now() - (Contents?.[0]?.LastModified?.getTime() ?? 0))).toBeLessThan(600_000)
  })
}
