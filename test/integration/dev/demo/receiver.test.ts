import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { startReceiver, type ReceivedEvent, type Receiver } from '../../../../src/dev/demo/receiver.ts'
import { signDelivery } from '../../../../src/shared/webhooks/sign.ts'

const secret = `whsec_${Buffer.alloc(32, 1).toString('base64')}`
const other = `whsec_${Buffer.alloc(32, 2).toString('base64')}`
const body = Buffer.from('{"type":"batch.completed","timestamp":"2026-01-01T00:00:00.000Z","data":{"id":"batch_1"}}')

let receiver: Receiver
let received: ReceivedEvent[]
let refused: string[]

beforeEach(async () => {
  received = []
  refused = []
  receiver = await startReceiver({
    secret,
    received: (event) => received.push(event),
    refused: (why) => refused.push(why),
  })
})

afterEach(async () => {
  await receiver[Symbol.asyncDispose]()
})

async function post(id: string, signedWith: string, sent: Buffer, timestampMs = Date.now()): Promise<number> {
  const headers = { ...signDelivery({ secret: signedWith, id, timestampMs, body }) }
  return (await fetch(receiver.url, { method: 'POST', headers, body: new Uint8Array(sent) })).status
}

describe('the receiver', () => {
  it('takes an event whose signature verifies, and the same event only once', async () => {
    expect(await post('msg_1', secret, body)).toBe(204)
    expect(await post('msg_1', secret, body)).toBe(204)
    expect(received).toEqual([{ type: 'batch.completed', batch: { id: 'batch_1' } }])
    expect(refused).toEqual([])
  })

  it('refuses another secret, another body, an old delivery and no signature at all', async () => {
    expect(await post('msg_1', other, body)).toBe(400)
    expect(await post('msg_2', secret, Buffer.concat([body, Buffer.from(' ')]))).toBe(400)
    expect(await post('msg_3', secret, body, Date.now() - 10 * 60_000)).toBe(400)
    expect((await fetch(receiver.url, { method: 'POST', body: '{}' })).status).toBe(400)
    expect(received).toEqual([])
    expect(refused).toHaveLength(4)
  })

  it('reads no more than 1 MiB', async () => {
    expect(await post('msg_1', secret, Buffer.alloc(1024 * 1024 + 1))).toBe(413)
  })
})
