import sharp from 'sharp'
import { describe, expect, it } from 'vitest'
import { eventually } from '../../../support/eventually.ts'
import { errorOf, goodKey, linkOf, schnell, startCaller } from './caller.ts'

type Caller = Awaited<ReturnType<typeof startCaller>>

const small = (prompt: string) => ({ model: schnell, prompt, width: 256, height: 256 })

async function ledger({ control }: Caller) {
  const seen: {
    total: number
    paid: number
    refused: number
    calls: { status: number | null; fault: string | null; aborted: boolean }[]
  } = (await control('GET', '/calls?all=true')).json()
  return seen
}

async function readAsFarAsItGoes({ body }: Response): Promise<{ bytes: number; error: unknown }> {
  let bytes = 0
  try {
    for await (const part of body as AsyncIterable<Uint8Array>) bytes += part.length
  } catch (error) {
    return { bytes, error }
  }
  return { bytes, error: undefined }
}

describe('faults that refuse at once, unpaid', () => {
  it.each([
    ['429', 429, 'rate_limited'],
    ['500', 500, 'server_error'],
    ['503_retry_after', 503, 'server_error'],
    ['401', 401, 'invalid_api_key'],
    ['402', 402, 'insufficient_credits'],
    ['403_key', 403, 'forbidden'],
    ['403_content', 403, 'content_moderation'],
    ['moderate_in', 400, 'content_policy_violation'],
  ])('%s', async (fault, status, code) => {
    const caller = await startCaller({ rateLimit: 100 })
    const reply = await caller.call(`A mug [[sim:${fault}]]`)
    expect([reply.status, errorOf(reply).code]).toEqual([status, code])
    if (status === 429) expect(reply.headers).toMatchObject({ 'retry-after': '1', 'x-ratelimit-remaining': '0' })
    if (status === 503) expect(reply.headers).toMatchObject({ 'retry-after': '2' })
    expect(await ledger(caller)).toMatchObject({ total: 0, paid: 0, refused: 1, calls: [{ status, fault }] })
  })

  it('502_html', async () => {
    const caller = await startCaller()
    const reply = await caller.call('A mug [[sim:502_html]]')
    expect(reply.status).toBe(502)
    expect(reply.headers['content-type']).toBe('text/html')
    expect(reply.bytes.toString()).toContain('502 Bad Gateway')
    expect(await ledger(caller)).toMatchObject({ paid: 0, refused: 1 })
  })

  it('lying_headers: a 429 that claims there is plenty left', async () => {
    const { call } = await startCaller({ rateLimit: 100 })
    const reply = await call('A mug [[sim:lying_headers]]')
    expect([reply.status, reply.headers['x-ratelimit-remaining']]).toEqual([429, '100'])
  })

  it('cut_before', async () => {
    const caller = await startCaller()
    await expect(caller.call('A mug [[sim:cut_before]]')).rejects.toThrow('other side closed')
    expect(await ledger(caller)).toMatchObject({ paid: 0, refused: 1, calls: [{ status: null }] })
  })
})

describe('faults after the image was made and paid', () => {
  it.each([
    ['500_paid', 500],
    ['504_paid', 504],
    ['html_200', 200],
    ['error_in_200', 200],
    ['empty_data', 200],
    ['null_data', 200],
    ['bad_json', 200],
  ])('%s', async (fault, status) => {
    const caller = await startCaller()
    const reply = await caller.call(`A mug [[sim:${fault}]]`)
    expect(reply.status).toBe(status)
    const text = reply.bytes.toString()
    if (fault === '504_paid' || fault === 'html_200') expect(reply.headers['content-type']).toBe('text/html')
    if (fault === 'error_in_200') expect(errorOf(reply).code).toBe('server_error')
    if (fault === 'empty_data') expect(reply.json()).toMatchObject({ data: [] })
    if (fault === 'null_data') expect(reply.json()).toMatchObject({ data: [{ url: null, b64_json: null }] })
    if (fault === 'bad_json') expect(() => void JSON.parse(text)).toThrow(SyntaxError)
    expect(await ledger(caller)).toMatchObject({ total: 1, paid: 1, calls: [{ status, fault }] })
  })

  it('cut_after: the socket is destroyed before any header', async () => {
    const caller = await startCaller()
    await expect(caller.call('A mug [[sim:cut_after]]')).rejects.toThrow('other side closed')
    expect(await ledger(caller)).toMatchObject({ total: 1, paid: 1, calls: [{ status: null, aborted: false }] })
  })

  it('cut_mid_body: status, headers and half of the JSON come', async () => {
    const caller = await startCaller()
    const reply = await fetch(`${caller.simulator.baseUrl}/images/generations`, {
      method: 'POST',
      headers: { authorization: `Bearer ${goodKey}` },
      body: JSON.stringify(small('A mug [[sim:cut_mid_body]]')),
    })
    const length = Number(reply.headers.get('content-length'))
    expect([reply.status, length > 100]).toEqual([200, true])
    const { bytes, error } = await readAsFarAsItGoes(reply)
    expect([bytes, String(error)]).toEqual([Math.floor(length / 2), 'TypeError: terminated'])
    expect(await ledger(caller)).toMatchObject({ total: 1, paid: 1, calls: [{ aborted: false }] })
  })

  it('hang: nothing is sent and the socket stays open', async () => {
    const caller = await startCaller()
    const patience = new AbortController()
    const reply = caller.call('A mug [[sim:hang]]', { signal: patience.signal })
    await eventually(async () => (await ledger(caller)).paid === 1, { what: 'the call to be paid' })
    expect((await caller.control('GET', '/stats')).json()).toMatchObject({ in_flight: 1 })
    patience.abort()
    await expect(reply).rejects.toThrow('aborted')
    await eventually(async () => (await ledger(caller)).calls[0]?.aborted, { what: 'the hang-up to be seen' })
    expect((await caller.control('GET', '/stats')).json()).toMatchObject({ in_flight: 0 })
  })

  it('drip: the answer comes at 2 KB a second', async () => {
    const { call } = await startCaller()
    const startedMs = performance.now()
    const reply = await call({ model: schnell, prompt: 'A mug [[sim:drip]]', n: 3 })
    expect(linkOf(reply)).toMatch(/^http/)
    expect(performance.now() - startedMs).toBeGreaterThan(180)
  })

  it('latency_x: ten times as long', async () => {
    const { call } = await startCaller({ latencyMs: 20 })
    const startedMs = performance.now()
    expect((await call('A mug [[sim:latency_x]]')).status).toBe(200)
    expect(performance.now() - startedMs).toBeGreaterThan(195)
  })

  it('no_headers: an answer that says nothing of the rate', async () => {
    const { call } = await startCaller({ rateLimit: 100 })
    const reply = await call('A mug [[sim:no_headers]]')
    expect(reply.status).toBe(200)
    expect(reply.headers).not.toHaveProperty('x-ratelimit-limit')
  })

  it('moderate_out: made, withheld and not paid', async () => {
    const caller = await startCaller()
    const reply = await caller.call('A mug [[sim:moderate_out]]')
    expect([reply.status, errorOf(reply).code]).toEqual([422, 'content_moderated'])
    expect(await ledger(caller)).toMatchObject({ total: 1, paid: 0 })
  })
})

describe('faults of the image, by link and in the answer', () => {
  const decode = async (bytes: Buffer) => {
    const { data, info } = await sharp(bytes, { failOn: 'truncated' }).raw().toBuffer({ resolveWithObject: true })
    return { black: data.every((value) => value === 0), width: info.width, height: info.height }
  }

  it.each(['truncated_png', 'zero_bytes', 'html_image', 'wrong_type', 'wrong_size', 'black'])('%s', async (fault) => {
    const caller = await startCaller()
    const byLink = await caller.download(linkOf(await caller.call(small(`A mug [[sim:${fault}]]`))))
    expect([byLink.status, byLink.headers['content-type']]).toEqual([200, 'image/png'])
    expect(byLink.headers['content-length']).toBe(String(byLink.bytes.length))
    const asked = { ...small(`A mug [[sim:${fault}]]`), seed: 1, response_format: 'b64_json' }
    const answer: { data: { b64_json: string }[] } = (await caller.call(asked)).json()
    const inAnswer = Buffer.from(answer.data[0]?.b64_json ?? '?', 'base64')
    for (const bytes of [byLink.bytes, inAnswer]) {
      if (fault === 'zero_bytes') expect(bytes).toHaveLength(0)
      else if (fault === 'html_image') expect(bytes.toString()).toMatch(/^<!DOCTYPE html>/)
      else if (fault === 'wrong_type') expect(bytes.toString()).toMatch(/^<svg/)
      else if (fault === 'truncated_png') await expect(decode(bytes)).rejects.toThrow(/png/)
      else if (fault === 'wrong_size') expect(await decode(bytes)).toMatchObject({ width: 128, height: 86 })
      else expect(await decode(bytes)).toEqual({ black: true, width: 256, height: 256 })
    }
    expect(await ledger(caller)).toMatchObject({ paid: 2 })
  })

  it('bad_base64: base64 that is none, whatever was asked for', async () => {
    const { call } = await startCaller()
    const answer: { data: { b64_json: string }[] } = (await call('A mug [[sim:bad_base64]]')).json()
    expect(answer.data[0]?.b64_json).toMatch(/\*/)
  })
})

describe('faults of the link', () => {
  const statuses = async (fault: string, times: number) => {
    const { call, download } = await startCaller()
    const link = linkOf(await call({ ...small(`A mug [[sim:${fault}]]`), response_format: 'b64_json' }))
    const seen: number[] = []
    for (let time = 0; time < times; time++) seen.push((await download(link)).status)
    return seen
  }

  it('url_gone', async () => {
    expect(await statuses('url_gone', 3)).toEqual([410, 410, 410])
  })

  it('url_404_once and url_5xx_once', async () => {
    expect(await statuses('url_404_once', 3)).toEqual([404, 200, 200])
    expect(await statuses('url_5xx_once', 3)).toEqual([503, 200, 200])
  })

  it('url_redirect_loop', async () => {
    const { call, download } = await startCaller()
    const link = linkOf(await call('A mug [[sim:url_redirect_loop]]'))
    const reply = await download(link)
    expect(reply.status).toBe(302)
    expect(new URL(String(reply.headers['location']), link).href).toBe(link)
  })

  it('url_private leads to an address that must not be asked', async () => {
    const { call } = await startCaller()
    expect(linkOf(await call('A mug [[sim:url_private]]'))).toMatch(/^http:\/\/169\.254\.169\.254\//)
  })

  it('url_short stops halfway, every time, so that only ranges reach the end', async () => {
    const { call } = await startCaller()
    const link = linkOf(await call(small('A mug [[sim:url_short]]')))
    let got = 0
    let length = 0
    let downloads = 0
    do {
      const reply = await fetch(link, { headers: { range: `bytes=${String(got)}-` } })
      length = Number(reply.headers.get('content-range')?.split('/')[1])
      const { bytes } = await readAsFarAsItGoes(reply)
      expect(bytes).toBe(Math.ceil((length - got) / 2))
      got += bytes
      downloads += 1
    } while (got < length)
    expect(downloads).toBeGreaterThan(8)
  })

  it('url_slow comes at 2 KB a second', async () => {
    const { call, download } = await startCaller()
    const link = linkOf(await call(small('A mug [[sim:url_slow]]')))
    const startedMs = performance.now()
    expect((await download(link, { range: 'bytes=0-599' })).bytes).toHaveLength(600)
    expect(performance.now() - startedMs).toBeGreaterThan(180)
  })
})

describe('directives in the prompt', () => {
  it('strike the first N sightings of the body, and of that body alone', async () => {
    const { call } = await startCaller()
    const status = async (prompt: string) => (await call(prompt)).status
    expect(await status('A mug [[sim:500 x2]]')).toBe(500)
    expect(await status('A lamp [[sim:500 x1]]')).toBe(500)
    expect(await status('A mug [[sim:500 x2]]')).toBe(500)
    expect(await status('A mug [[sim:500 x2]]')).toBe(200)
    expect(await status('A lamp [[sim:500 x1]]')).toBe(200)
  })

  it('follow one another', async () => {
    const { call } = await startCaller()
    const seen: number[] = []
    for (let time = 0; time < 4; time++) seen.push((await call('A mug [[sim:500 x1]] [[sim:429 x3]]')).status)
    expect(seen).toEqual([500, 429, 429, 200])
  })

  it.each([
    ['string_body', { error: 'The server had an error while processing your request.' }],
    ['message_body', { message: 'The server had an error while processing your request.', code: 'server_error' }],
    ['detail_body', { detail: 'The server had an error while processing your request.' }],
  ])('%s gives the error another shape', async (shape, body) => {
    const { call } = await startCaller()
    expect((await call(`A mug [[sim:500]] [[sim:${shape}]]`)).json()).toEqual(body)
  })

  it('no_body leaves it empty', async () => {
    const { call } = await startCaller()
    const reply = await call('A mug [[sim:500]] [[sim:no_body]]')
    expect([reply.status, reply.bytes.length]).toEqual([500, 0])
  })

  it('that nobody knows are refused, not ignored', async () => {
    const { call } = await startCaller()
    const reply = await call('A mug [[sim:503]]')
    expect([reply.status, errorOf(reply).message]).toEqual([422, "The simulator knows no fault '503'."])
  })
})

describe('a plan of faults', () => {
  const outcomes = async (seed: number, order: (prompts: string[]) => string[]) => {
    const { call, control } = await startCaller()
    await control('PUT', '/faults', {
      seed,
      rules: [
        { fault: '500', rate: 0.3 },
        { fault: 'empty_data', rate: 0.2 },
      ],
    })
    const prompts = order(Array.from({ length: 60 }, (_, index) => `A mug ${String(index)}`))
    const seen = await Promise.all(
      prompts.map(async (prompt) => [prompt, (await call(prompt)).bytes.toString().slice(0, 9)] as const),
    )
    const second = await Promise.all(
      prompts.map(async (prompt) => [`${prompt} again`, (await call(prompt)).status] as const),
    )
    return new Map<string, string | number>([...seen, ...second])
  }

  it('strikes by its seed, the body and how often that was seen, not by time or order', async () => {
    const forward = await outcomes(1, (prompts) => prompts)
    expect(await outcomes(1, (prompts) => prompts.toReversed())).toEqual(forward)
    expect(await outcomes(2, (prompts) => prompts)).not.toEqual(forward)
  })

  it('strikes about as often as its rates say', async () => {
    const { call, control } = await startCaller()
    await control('PUT', '/faults', { rules: [{ fault: '500', rate: 0.25 }] })
    const replies = await Promise.all(Array.from({ length: 400 }, (_, index) => call(`A mug ${String(index)}`)))
    const struck = replies.filter(({ status }) => status === 500).length
    expect(struck).toBeGreaterThan(70)
    expect(struck).toBeLessThan(130)
  })

  it('can be for some models, for so many calls, and with the image paid', async () => {
    const caller = await startCaller()
    const dev = { model: 'black-forest-labs/FLUX.1-dev', prompt: 'A mug' }
    await caller.control('PUT', '/faults', {
      models: [dev.model],
      until_calls: 2,
      rules: [{ fault: '500', paid: true }],
    })
    expect((await caller.call('A mug')).status).toBe(200)
    expect((await caller.call(dev)).status).toBe(500)
    expect((await caller.call(dev)).status).toBe(200)
    expect(await ledger(caller)).toMatchObject({ total: 3, paid: 3 })
  })

  it('can be an outage of the whole service that ends by itself', async () => {
    const caller = await startCaller()
    const headers = { authorization: `Bearer ${goodKey}` }
    await caller.control('PUT', '/faults', { until_calls: 1, rules: [{ fault: '503_retry_after', for_s: 0.4 }] })
    const balance = async () => (await caller.send('GET', '/api/v1/billing/balance', { headers })).status
    expect(await balance()).toBe(200)
    expect((await caller.call('A mug')).status).toBe(503)
    expect((await caller.call('A lamp')).status).toBe(503)
    expect(await balance()).toBe(503)
    await eventually(async () => (await caller.call('A lamp')).status === 200, { what: 'the outage to end' })
    expect(await balance()).toBe(200)
  })

  it('can be read and taken away', async () => {
    const { call, control } = await startCaller()
    await control('PUT', '/faults', { seed: 'a', rules: [{ fault: '500' }] })
    expect((await control('GET', '/faults')).json()).toMatchObject({ seed: 'a', rules: [{ fault: '500', rate: 1 }] })
    await control('DELETE', '/faults')
    expect((await call('A mug')).status).toBe(200)
  })

  it.each([
    [{ rules: [{ fault: '418' }] }],
    [{ rules: [{ fault: '500', rate: 2 }] }],
    [
      {
        rules: [
          { fault: '500', rate: 0.6 },
          { fault: '429', rate: 0.6 },
        ],
      },
    ],
    [{ rules: [{ fault: 'black', for_s: 5 }] }],
    [{ rule: [] }],
    [{ preset: 'storm' }],
  ])('is refused where it says what nobody understands: %j', async (plan) => {
    const { control } = await startCaller()
    expect((await control('PUT', '/faults', plan)).status).toBe(422)
  })

  it('can be the preset `weather`', async () => {
    const { control } = await startCaller()
    const plan: { rules: { fault: string }[] } = (
      await control('PUT', '/faults', { preset: 'weather', seed: 3 })
    ).json()
    expect(plan.rules.map(({ fault }) => fault)).toContain('truncated_png')
  })
})
