import {
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  HeadObjectCommand,
  PutObjectCommand,
  UploadPartCommand,
} from '@aws-sdk/client-s3'
import { Upload } from '@aws-sdk/lib-storage'
import { getSignedUrl } from '@aws-sdk/s3-request-presigner'
import { afterAll, expect, it } from 'vitest'
import { bytesOf, noSuchKey, notFound, preconditionFailed, refusal, sendHalf } from './setting.ts'
import type { Setting } from './setting.ts'

/** What AWS answers to a loser: 412, or 409 where both were on their way at once. */
const lost = /^(PreconditionFailed|ConditionalRequestConflict)$/
const racers = 20
export function conditionChecks({ target, client, at, connect }: Setting): void {
  const presigning = connect({ requestChecksumCalculation: 'WHEN_REQUIRED' })
  afterAll(() => {
    presigning.destroy()
  })

  const matchOnNothing = target.quirks.includes('missing key is 412') ? preconditionFailed : noSuchKey
  const put = (name: string, body: string, more: object = {}) =>
    client.send(new PutObjectCommand({ ...at(name), Body: Buffer.from(body), ...more }))
  const text = async (name: string) => (await bytesOf(await client.send(new GetObjectCommand(at(name))))).toString()

  /** Starts all at once; gives the body of the only winner, and sees that the others were told. */
  async function race(write: (body: string) => Promise<unknown>): Promise<string> {
    const bodies = Array.from({ length: racers }, (_, racer) => `written by ${String(racer)}`)
    const outcomes = await Promise.allSettled(bodies.map((body) => write(body)))
    const winners = bodies.filter((_, racer) => outcomes[racer]?.status === 'fulfilled')
    expect(winners).toHaveLength(1)
    for (const outcome of outcomes)
      if (outcome.status === 'rejected') expect((outcome.reason as Error).name).toMatch(lost)
    return winners[0] ?? ''
  }

  /** Writes that end only when the store has seen all of them begin: none is decided before its race. */
  async function heldPut(name: string, condition: object, headers: Record<string, string>) {
    const url = await getSignedUrl(presigning, new PutObjectCommand({ ...at(name), ...condition }))
    let begun = 0
    const { promise: allBegun, resolve: go } = Promise.withResolvers<undefined>()
    return async (body: string): Promise<void> => {
      const half = await sendHalf(url, Buffer.from(body), headers)
      begun += 1
      if (begun === racers) {
        // An answer to something asked later: by then the store has looked at what was sent before.
        for (let time = 1; time <= 2; time += 1) await refusal(client.send(new HeadObjectCommand(at('nothing'))))
        go(undefined)
      }
      await allBegun
      const answer = await half.finish()
      if (answer.status === 200) return
      const refused = new Error(answer.text)
      refused.name = /<Code>(\w+)</.exec(answer.text)?.[1] ?? ''
      throw refused
    }
  }

  it('writes If-None-Match: * only where nothing is', async () => {
    await put('once', 'first', { IfNoneMatch: '*' })
    expect(await refusal(put('once', 'second', { IfNoneMatch: '*' }))).toEqual(preconditionFailed)
    expect(await text('once')).toBe('first')
    await client.send(new DeleteObjectCommand(at('once')))
    await put('once', 'third', { IfNoneMatch: '*' })
    expect(await text('once')).toBe('third')
  })

  it('lets one of twenty racing If-None-Match: * win', async () => {
    const winner = await race(await heldPut('race-absent', { IfNoneMatch: '*' }, { 'if-none-match': '*' }))
    expect(await text('race-absent')).toBe(winner)
  })

  it('writes If-Match only over exactly that', async () => {
    const first = await put('match', 'first')
    const second = await put('match', 'second', { IfMatch: first.ETag })
    expect(await refusal(put('match', 'third', { IfMatch: first.ETag }))).toEqual(preconditionFailed)
    expect(await text('match')).toBe('second')
    await put('match', 'third', { IfMatch: second.ETag })
    expect(await text('match')).toBe('third')
  })

  it('lets one of twenty racing If-Match win', async () => {
    const { ETag } = await put('race-match', 'first')
    const winner = await race(await heldPut('race-match', { IfMatch: ETag }, { 'if-match': ETag ?? '' }))
    expect(await text('race-match')).toBe(winner)
  })

  it('answers If-Match on a missing key with NoSuchKey', async () => {
    const { ETag } = await put('gone', 'gone')
    await client.send(new DeleteObjectCommand(at('gone')))
    expect(await refusal(put('gone', 'again', { IfMatch: ETag }))).toEqual(matchOnNothing)
    expect(await refusal(client.send(new HeadObjectCommand(at('gone'))))).toEqual(notFound)
  })

  it('gives the same ETag for the same bytes and another for others', async () => {
    const first = await put('tag', 'one')
    const other = await put('tag', 'two')
    const again = await put('tag', 'one')
    expect(again.ETag).toBe(first.ETag)
    expect(other.ETag).not.toBe(first.ETag)
  })

  it('deletes If-Match only exactly that', async () => {
    const remove = (name: string, IfMatch: string | undefined) =>
      client.send(new DeleteObjectCommand({ ...at(name), IfMatch }))
    const first = await put('delete', 'first')
    const second = await put('delete', 'second')
    expect(await refusal(remove('delete', first.ETag))).toEqual(preconditionFailed)
    expect(await text('delete')).toBe('second')
    await remove('delete', second.ETag)
    expect(await refusal(client.send(new HeadObjectCommand(at('delete'))))).toEqual(notFound)
    expect(await refusal(remove('delete', second.ETag))).toMatchObject({ status: matchOnNothing.status })
  })

  async function uploaded(name: string, body: string) {
    const { UploadId } = await client.send(new CreateMultipartUploadCommand(at(name)))
    const part = { ...at(name), UploadId, PartNumber: 1, Body: Buffer.from(body) }
    const { ETag } = await client.send(new UploadPartCommand(part))
    return { ...at(name), UploadId, MultipartUpload: { Parts: [{ PartNumber: 1, ETag }] } }
  }

  it('completes a multipart upload only where its condition holds', async () => {
    const { ETag } = await put('parts', 'stands')
    const ready = await uploaded('parts', 'from parts')
    const complete = (more: object) => client.send(new CompleteMultipartUploadCommand({ ...ready, ...more }))
    expect(await refusal(complete({ IfNoneMatch: '*' }))).toEqual(preconditionFailed)
    expect(await refusal(complete({ IfMatch: '"other"' }))).toEqual(preconditionFailed)
    expect(await text('parts')).toBe('stands')
    await complete({ IfMatch: ETag })
    expect(await text('parts')).toBe('from parts')
  })

  it('lets one of twenty racing multipart uploads win', async () => {
    const winner = await race(async (body) => {
      const ready = await uploaded('race-parts', body)
      await client.send(new CompleteMultipartUploadCommand({ ...ready, IfNoneMatch: '*' }))
    })
    expect(await text('race-parts')).toBe(winner)
  })

  it('holds the condition of a streamed upload by lib-storage', async () => {
    await put('streamed', 'stands')
    const params = { ...at('streamed'), Body: Buffer.alloc(6_000_000, 'x'), IfNoneMatch: '*' }
    expect(await refusal(new Upload({ client, params }).done())).toEqual(preconditionFailed)
    expect(await text('streamed')).toBe('stands')
  })
}
