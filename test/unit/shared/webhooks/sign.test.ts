import { randomBytes } from 'node:crypto'
import { Webhook } from 'standardwebhooks'
import { describe, expect, it } from 'vitest'
import { parseSecret, signDelivery } from '../../../../src/shared/webhooks/sign.ts'

const secretOf = (bytes: number): string => `whsec_${randomBytes(bytes).toString('base64')}`

describe('signDelivery', () => {
  const body = Buffer.from('{"type":"batch.completed","data":{"name":"Schuhe für 5 €, 👟"}}')

  it('makes what the public standardwebhooks package verifies', () => {
    const secret = secretOf(32)
    const headers = signDelivery({ secret, id: 'msg_1', timestampMs: Date.now(), body })
    const verified = new Webhook(secret).verify(body, { ...headers })
    expect(verified).toEqual(JSON.parse(body.toString()))
    expect(headers['webhook-timestamp']).toMatch(/^\d{10}$/)
  })

  it('agrees with the example of the specification', () => {
    // https://github.com/standard-webhooks/standard-webhooks: the vector that its libraries test against.
    const headers = signDelivery({
      secret: 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw',
      id: 'msg_p5jXN8AQM9LWM0D4loKWxJek',
      timestampMs: 1_614_265_330_999,
      body: Buffer.from('{"test": 2432232314}'),
    })
    expect(headers).toEqual({
      'webhook-id': 'msg_p5jXN8AQM9LWM0D4loKWxJek',
      'webhook-timestamp': '1614265330',
      'webhook-signature': 'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=',
    })
  })

  it('is over the exact bytes, the id and the time', () => {
    const secret = secretOf(32)
    const headers = signDelivery({ secret, id: 'msg_1', timestampMs: Date.now(), body })
    const verifier = new Webhook(secret)
    expect(() => verifier.verify(Buffer.concat([body, Buffer.from(' ')]), { ...headers })).toThrow(
      'No matching signature found',
    )
    expect(() => verifier.verify(body, { ...headers, 'webhook-id': 'msg_2' })).toThrow('No matching signature found')
    const later = String(Number(headers['webhook-timestamp']) + 1)
    expect(() => verifier.verify(body, { ...headers, 'webhook-timestamp': later })).toThrow(
      'No matching signature found',
    )
    expect(() => new Webhook(secretOf(32)).verify(body, { ...headers })).toThrow('No matching signature found')
  })
})

describe('parseSecret', () => {
  it('takes whsec_ and base64 of 24 to 64 bytes', () => {
    for (const length of [24, 25, 32, 64]) expect(parseSecret(secretOf(length))).toHaveLength(length)
  })

  it.each([
    secretOf(23),
    secretOf(65),
    'whsec_',
    randomBytes(32).toString('base64'),
    `whsec_${randomBytes(32).toString('hex')}!`,
    `whsec_${'A'.repeat(43)}`,
    `whsec_${'A-'.repeat(22)}`,
    `whsk_${randomBytes(32).toString('base64')}`,
    '',
  ])('refuses %j', (secret) => {
    // prettier-ignore
    expect(parseSecret(secret)).toBeUndefined()
  })
})
