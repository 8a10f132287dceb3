import { describe, expect, it } from 'vitest'
import { errorOf, goodKey, linkOf, schnell, startCaller, type GenerationBody } from './caller.ts'

const png = Buffer.concat([
  Buffer.from('89504e470d0a1a0a0000000d49484452', 'hex'),
  Buffer.from('0000032000000258', 'hex'), // 800 x 600
  Buffer.alloc(8),
]).toString('base64')

describe('the key', () => {
  it.each([
    ['no header', {}],
    ['another scheme', { authorization: `Basic ${goodKey}` }],
    ['another prefix', { authorization: 'Bearer sk_live_abcdefghij' }],
    ['too short', { authorization: 'Bearer rc_live_abc' }],
    ['revoked by name', { authorization: 'Bearer rc_live_revoked_abc' }],
  ])('%s is 401, and says nothing of the rate', async (_, headers) => {
    const { send } = await startCaller({ rateLimit: 10 })
    const reply = await send('POST', '/v1/images/generations', { headers, body: '{' })
    expect(reply.status).toBe(401)
    expect(errorOf(reply)).toMatchObject({ code: 'invalid_api_key' })
    expect(reply.headers).not.toHaveProperty('x-ratelimit-limit')
  })

  it('can have its fate in its name', async () => {
    const { call } = await startCaller()
    const broke = await call('A mug', { key: 'rc_live_nocredit_abc' })
    expect([broke.status, errorOf(broke).code]).toEqual([402, 'insufficient_credits'])
    const shut = await call('A mug', { key: 'rc_live_forbidden_abc' })
    expect([shut.status, errorOf(shut).code]).toEqual([403, 'forbidden'])
  })

  it('can be revoked and given back while it runs', async () => {
    const { call, control } = await startCaller()
    await control('POST', '/revoke', { key: goodKey })
    expect((await call('A mug')).status).toBe(401)
    expect((await call('A mug', { key: 'rc_live_another01' })).status).toBe(200)
    await control('POST', '/revoke', { key: goodKey, revoked: false })
    expect((await call('A mug')).status).toBe(200)
  })
})

describe('the order of checks', () => {
  it('is key, rate, JSON, required fields, model, ranges, moderation', async () => {
    const { send, call, control } = await startCaller({ rateLimit: 6 })
    const post = (body: string, key = goodKey) =>
      send('POST', '/v1/images/generations', { headers: { authorization: `Bearer ${key}` }, body })
    const bodies = [
      '{',
      '{"model":"no/such","width":1}',
      '{"model":"no/such","prompt":"nsfw","width":1}',
      JSON.stringify({ model: schnell, prompt: 'nsfw', width: 1 }),
      JSON.stringify({ model: schnell, prompt: 'nsfw' }),
      JSON.stringify({ model: schnell, prompt: 'A mug' }),
    ]
    const codes: unknown[] = []
    for (const body of bodies) {
      const reply = await post(body)
      codes.push(reply.status === 200 ? 200 : [reply.status, errorOf(reply).code])
      expect(reply.headers['x-request-id']).toMatch(/^req_/)
      expect(reply.headers['x-ratelimit-remaining']).toBe(String(6 - codes.length))
    }
    expect(codes).toEqual([
      [400, 'invalid_json'],
      [400, 'missing_required_parameter'],
      [404, 'model_not_found'],
      [422, 'validation_error'],
      [400, 'content_policy_violation'],
      200,
    ])
    expect((await post('{')).status).toBe(429)
    expect((await post('{', 'rc_live_revoked_a')).status).toBe(401)
    await control('PUT', '/options', { rate_limit: 7 })
    expect((await call('A mug')).status).toBe(200)
  })
})

describe('a body', () => {
  it.each([
    ['prompt', { model: schnell }, 400],
    ['model', { prompt: 'A mug' }, 400],
    ['prompt', { model: schnell, prompt: 7 }, 400],
    ['width', { model: schnell, prompt: 'A mug', width: 255 }, 422],
    ['height', { model: schnell, prompt: 'A mug', height: 2049 }, 422],
    ['width', { model: schnell, prompt: 'A mug', width: 512.5 }, 422],
    ['width', { model: 'black-forest-labs/FLUX.1.1-pro', prompt: 'A mug', width: 1441 }, 422],
    ['num_inference_steps', { model: schnell, prompt: 'A mug', num_inference_steps: 5 }, 422],
    ['num_inference_steps', { model: 'ideogram-ai/ideogram-v2', prompt: 'A mug', num_inference_steps: 101 }, 422],
    ['guidance', { model: 'black-forest-labs/FLUX.1-dev', prompt: 'A mug', guidance: 10.1 }, 422],
    ['seed', { model: schnell, prompt: 'A mug', seed: -1 }, 422],
    ['seed', { model: 'ideogram-ai/ideogram-v2', prompt: 'A mug', seed: 2 ** 31 }, 422],
    ['aspect_ratio', { model: schnell, prompt: 'A mug', aspect_ratio: '7:5' }, 422],
    ['aspect_ratio', { model: 'stabilityai/sd3.5-large', prompt: 'A mug', aspect_ratio: '4:3' }, 422],
    ['response_format', { model: schnell, prompt: 'A mug', response_format: 'png' }, 422],
    ['n', { model: schnell, prompt: 'A mug', n: 11 }, 422],
    ['size', { model: schnell, prompt: 'A mug', size: 'large' }, 422],
    ['control_image', { model: 'black-forest-labs/FLUX.1-canny-pro', prompt: 'A mug' }, 422],
    ['image', { model: 'black-forest-labs/FLUX.1-dev', prompt: 'A mug', image: 'bm90IGFuIGltYWdl' }, 422],
    [
      'input_images',
      { model: 'black-forest-labs/FLUX.2-pro', prompt: 'A mug', input_images: Array(9).fill('https://a.test/1.png') },
      422,
    ],
  ])('is refused for its %s', async (param, body, status) => {
    const { call, control } = await startCaller()
    const reply = await call(body)
    expect([reply.status, errorOf(reply).param]).toEqual([status, param])
    expect((await control('GET', '/calls')).json()).toMatchObject({ total: 0, paid: 0, refused: 1 })
  })

  it('over 32 MB is 413', async () => {
    const { call } = await startCaller()
    const reply = await call({ model: schnell, prompt: 'x'.repeat(33 * 1024 * 1024) })
    expect(reply.status).toBe(413)
  })

  it('may name a model by an alias, and sim/* for ids that no catalogue lists', async () => {
    const { call } = await startCaller()
    expect((await call({ model: 'black-forest-labs/flux-schnell', prompt: 'A mug' })).status).toBe(200)
    expect((await call({ model: 'sim/anything', prompt: 'A mug' })).status).toBe(200)
    expect((await call({ model: 'acme/unlisted', prompt: 'A mug' })).status).toBe(404)
  })

  it('may hold what the model does not take: that is ignored, and noted in the ledger', async () => {
    const { call, control } = await startCaller()
    await call({ model: schnell, prompt: 'A mug', guidance: 900, negative_prompt: 'cats', wdith: 512, seed: null })
    const ledger: { calls: { ignored: string[] }[] } = (await control('GET', '/calls')).json()
    expect(ledger.calls[0]?.ignored).toEqual(['guidance', 'negative_prompt', 'wdith'])
  })

  it('may be in camelCase or have size and n, as other clients write it', async () => {
    const { call, control } = await startCaller()
    const reply = await call({ model: schnell, prompt: 'A mug', aspectRatio: '16:9', responseFormat: 'b64_json', n: 2 })
    const body: GenerationBody = reply.json()
    expect(body.data.map(({ url, b64_json: text }) => [url, typeof text])).toEqual([
      [null, 'string'],
      [null, 'string'],
    ])
    expect(body.data[0]?.b64_json).not.toBe(body.data[1]?.b64_json)
    await call({ model: schnell, prompt: 'A mug', size: '1792x1024' })
    const ledger: { calls: { noted: string[]; size: string; cost_usd: string }[] } = (
      await control('GET', '/calls')
    ).json()
    expect(ledger.calls.map(({ noted, size, cost_usd: cost }) => [noted, size, cost])).toEqual([
      [['aspectRatio', 'responseFormat', 'n'], '1344x768', '0.006'],
      [['size'], '1792x1024', '0.006'],
    ])
  })

  it.each([
    [{ model: schnell }, '1024x1024'],
    [{ model: schnell, aspect_ratio: '9:16' }, '768x1344'],
    [{ model: schnell, width: 300, height: 700 }, '300x700'],
    [{ model: 'black-forest-labs/FLUX.1.1-pro', width: 300, height: 700 }, '288x704'],
    [{ model: 'black-forest-labs/FLUX.1-canny-pro', control_image: `data:image/png;base64,${png}` }, '800x592'],
    [{ model: 'black-forest-labs/FLUX.1-dev', image: png }, '800x592'],
    [{ model: 'black-forest-labs/FLUX.1-kontext-pro', image: png, input_image: png }, '1024x1024'],
  ])('%j makes a picture of %s', async (body, size) => {
    const { call, control, download } = await startCaller()
    const picture = await download(linkOf(await call({ prompt: 'A mug', ...body })))
    expect(`${String(picture.bytes.readUInt32BE(16))}x${String(picture.bytes.readUInt32BE(20))}`).toBe(size)
    expect((await control('GET', '/calls')).json()).toMatchObject({ calls: [{ size, status: 200 }] })
  })
})

describe('money', () => {
  it('is taken off the balance for each paid image, and below the next price it is 402', async () => {
    const { call, control, send } = await startCaller()
    await control('PUT', '/balance', { usd: '0.008' })
    expect((await call('A mug')).status).toBe(200)
    expect((await call('A lamp [[sim:500]]')).status).toBe(500)
    expect((await call('A lamp [[sim:moderate_out]]')).status).toBe(422)
    expect((await call('A lamp')).status).toBe(200)
    expect((await call('A chair')).status).toBe(402)
    const headers = { authorization: `Bearer ${goodKey}` }
    const balance = await send('GET', '/api/v1/billing/balance', { headers })
    expect(balance.json()).toEqual({ data: { creditsBalance: 0.002, activeUsageCost: 0 } })
    const usage = await send('GET', '/api/v1/billing/usage', { headers })
    expect(usage.json()).toEqual({ data: { totalRequests: 2, totalCost: 0.006 } })
    await control('PUT', '/balance', { usd: 1, key: goodKey })
    expect((await call('A chair')).status).toBe(200)
  })

  it('is never overdrawn by calls at the same time', async () => {
    const { call, control } = await startCaller({ latencyMs: 20 })
    await control('PUT', '/balance', { usd: '0.01' })
    const replies = await Promise.all(Array.from({ length: 8 }, (_, index) => call(`A mug ${String(index)}`)))
    expect(replies.filter(({ status }) => status === 200)).toHaveLength(3)
    expect((await control('GET', '/calls')).json()).toMatchObject({ paid: 3, cost_usd: '0.009' })
  })

  it('is asked about with a good key only', async () => {
    const { send } = await startCaller()
    for (const [key, status] of [
      ['rc_live_revoked_a', 401],
      ['rc_live_forbidden_a', 403],
      ['rc_live_nocredit_a', 200],
    ] as const) {
      const reply = await send('GET', '/api/v1/billing/balance', { headers: { authorization: `Bearer ${key}` } })
      expect(reply.status).toBe(status)
    }
  })
})

it('answers 404 and 405 where there is nothing', async () => {
  const { send } = await startCaller()
  expect((await send('POST', '/v1/images/edits')).status).toBe(404)
  expect((await send('GET', '/v1/images/generations')).status).toBe(405)
  expect((await send('GET', '/_sim/nothing')).status).toBe(404)
})
