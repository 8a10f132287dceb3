import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startSimulator } from '../../../../src/dev/simulator/server.ts'
import { Failure } from '../../../../src/shared/failures/failure.ts'
import { createOutbound } from '../../../../src/shared/outbound/fetch.ts'
import { systemClock } from '../../../../src/shared/process/clock.ts'
import { checkImage } from '../../../../src/worker/generate/check.ts'
import { receiveImage } from '../../../../src/worker/generate/receive.ts'
import { createProvider } from '../../../../src/worker/provider/client.ts'
import { skippingClock } from '../../../support/skipping-clock.ts'
import type { RunningSimulator } from '../../../../src/dev/simulator/server.ts'
import type { ImageParameters } from '../../../../src/shared/contract/accepted.ts'
import type { CheckedImage } from '../../../../src/worker/generate/check.ts'

const size = { width: 256, height: 256 }
const userAgent = 'cratework/0.1.0'
const outbound = createOutbound({ clock: systemClock })
let simulator: RunningSimulator

beforeAll(async () => {
  simulator = await startSimulator({ port: 0, rateLimit: 100_000, latencyScale: 0 })
})

afterAll(async () => {
  await outbound.close()
  await simulator.stop()
})

interface Ledger {
  paid: number
  calls: { leaked_key: boolean; asset_downloads: number; ignored: string[]; noted: string[]; idempotency_key: string }[]
}

async function ledger(): Promise<Ledger> {
  const response = await fetch(new URL('/_sim/calls', simulator.baseUrl))
  return (await response.json()) as Ledger
}

/** From the call to a whole image: what a worker does with an item, without its second call for bad output. */
async function makeImage(
  prompt: string,
  parameters: ImageParameters = {},
  apiKey = 'rc_live_test0001',
): Promise<CheckedImage & { form: string }> {
  const provider = createProvider({
    apiKey,
    baseUrl: simulator.baseUrl,
    timeoutMs: 1_000,
    clock: systemClock,
    userAgent,
  })
  try {
    const { image } = await provider.generateImage({
      model: 'black-forest-labs/FLUX.1-schnell',
      prompt,
      parameters: { ...size, ...parameters },
      idempotencyKey: 'item_1-1',
    })
    const parts = { outbound, clock: skippingClock(), trustedOrigin: simulator.baseUrl, userAgent }
    return { ...(await checkImage(await receiveImage(parts, image))), form: image.kind }
  } finally {
    await provider.close()
  }
}

describe('against the simulator', () => {
  it.each([
    ['asked', 'url', 'url'],
    ['asked', 'b64_json', 'bytes'],
    ['data_uri', 'url', 'bytes'],
    ['both', 'url', 'bytes'],
    ['url', 'b64_json', 'url'],
  ] as const)('an image is whole where the form is %s and %s was asked for', async (form, asked, kind) => {
    const options = { method: 'PUT', body: JSON.stringify({ form }), headers: { 'content-type': 'application/json' } }
    expect((await fetch(new URL('/_sim/options', simulator.baseUrl), options)).status).toBe(200)
    const made = await makeImage(`A shoe, ${form}, ${asked}`, { response_format: asked })
    expect(made).toEqual({ ...size, contentType: 'image/png', ext: 'png', form: kind })
    const put = { ...options, body: JSON.stringify({ form: 'asked' }) }
    expect((await fetch(new URL('/_sim/options', simulator.baseUrl), put)).status).toBe(200)
  })

  it('every parameter is understood, and the key stays with the API', async () => {
    const { calls: before } = await ledger()
    await makeImage('A bag', { seed: 7, num_inference_steps: 4 })
    const calls = (await ledger()).calls.slice(before.length)
    expect(calls).toMatchObject([
      { leaked_key: false, asset_downloads: 1, ignored: [], noted: [], idempotency_key: 'item_1-1' },
    ])
  })

  it.each([['url_404_once'], ['url_5xx_once'], ['black'], ['wrong_size'], ['no_headers']])(
    '%s costs no second call',
    async (fault) => {
      const { paid } = await ledger()
      expect(await makeImage(`A hat [[sim:${fault}]]`)).toMatchObject({ contentType: 'image/png' })
      expect((await ledger()).paid).toBe(paid + 1)
    },
  )

  it.each([
    ['429', 'throttled', 0],
    ['lying_headers', 'throttled', 0],
    ['500', 'transient', 0],
    ['502_html', 'transient', 0],
    ['503_retry_after', 'transient', 0],
    ['401', 'provider_closed', 0],
    ['402', 'provider_closed', 0],
    ['403_key', 'provider_suspect', 0],
    ['403_content', 'permanent', 0],
    ['moderate_in', 'permanent', 0],
    ['moderate_out', 'permanent', 0],
    ['cut_before', 'unknown_outcome', 0],
    ['cut_after', 'unknown_outcome', 1],
    ['cut_mid_body', 'unknown_outcome', 1],
    ['hang', 'unknown_outcome', 1],
    ['504_paid', 'unknown_outcome', 1],
    ['500_paid', 'transient', 1],
    ['bad_json', 'bad_output', 1],
    ['empty_data', 'bad_output', 1],
    ['null_data', 'bad_output', 1],
    ['html_200', 'bad_output', 1],
    ['error_in_200', 'transient', 1],
    ['bad_base64', 'bad_output', 1],
    ['truncated_png', 'bad_output', 1],
    ['zero_bytes', 'bad_output', 1],
    ['html_image', 'bad_output', 1],
    ['wrong_type', 'bad_output', 1],
    ['url_gone', 'bad_output', 1],
    ['url_short', 'bad_output', 1],
    ['url_redirect_loop', 'bad_output', 1],
    ['url_private', 'bad_output', 1],
  ])('%s is %s, in one call', async (fault, failureClass, paidCalls) => {
    const { paid } = await ledger()
    const error = await makeImage(`A coat [[sim:${fault}]]`).catch((thrown: unknown) => thrown)
    expect(error).toBeInstanceOf(Failure)
    expect((error as Failure).class).toBe(failureClass)
    expect((await ledger()).paid).toBe(paid + paidCalls)
  })

  it.each(['detail_body', 'string_body', 'message_body', 'no_body'])('the shape %s changes no class', async (shape) => {
    for (const [fault, failureClass] of [
      ['500', 'transient'],
      ['402', 'provider_closed'],
      ['403_key', 'provider_suspect'],
      ['429', 'throttled'],
    ] as const) {
      const made = makeImage(`A belt [[sim:${fault}]] [[sim:${shape}]]`)
      await expect(made).rejects.toMatchObject({ class: failureClass })
    }
  })

  it.each([
    ['rc_live_revoked_01', 'provider_closed'],
    ['rc_live_nocredit_1', 'provider_closed'],
    ['rc_live_forbidden_1', 'provider_suspect'],
    ['wrong', 'provider_closed'],
  ])('the key %s is %s, and is not shown', async (apiKey, failureClass) => {
    const error = await makeImage('A scarf', {}, apiKey).catch((thrown: unknown) => thrown)
    expect(error).toMatchObject({ class: failureClass })
    expect((error as Failure).message).not.toContain(apiKey)
  })
})
