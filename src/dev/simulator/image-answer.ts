import { htmlAnswer, jsonAnswer, refusalAnswer, type Answer } from './answer.ts'
import type { Call } from './calls.ts'
import { chance } from './chance.ts'
import type { Fault } from './faults.ts'
import { imageBytes } from './image-faults.ts'
import type { Picture } from './picture/render.ts'
import { Refusal } from './refusal.ts'
import { pictureDigest, type GenerationRequest } from './request.ts'
import type { Simulator } from './simulator.ts'

/** A call whose images are made and paid. */
interface PaidCall {
  readonly asked: GenerationRequest
  readonly call: Call
  readonly fault: Fault | undefined
  readonly sighting: number
  readonly headers: Record<string, string>
  /** How often this body was paid before: with no seed given, each payment gives another picture. */
  readonly paidBefore: number
  /** Where the caller reached us: links must lead there. */
  readonly origin: string
}

export const moderatedOutput = () =>
  new Refusal(422, 'content_moderated', 'All generated images were withheld by our content filter.')

/** The answer of a paid call, as its fault leaves it. */
export function imageAnswer(simulator: Simulator, paid: PaidCall): Answer {
  const { fault, headers } = paid
  const created = Math.floor(simulator.clock.now() / 1000)
  const broken = new Refusal(500, 'server_error', 'The server had an error while processing your request.')
  switch (fault?.name) {
    case '500_paid':
      return refusalAnswer(broken, fault.shape, headers)
    case '504_paid':
      return htmlAnswer(504, '504 Gateway Time-out', headers)
    case 'moderate_out':
      return refusalAnswer(moderatedOutput(), fault.shape, headers)
    case 'hang':
      return { kind: 'hang' }
    case 'cut_after':
      return { kind: 'cut' }
    case 'html_200':
      return htmlAnswer(200, 'Just a moment...', headers)
    case 'error_in_200':
      return jsonAnswer(200, { error: { message: broken.message, type: broken.type, code: broken.code } }, headers)
    case 'empty_data':
      return jsonAnswer(200, { created, data: [] }, headers)
    case 'null_data':
      return jsonAnswer(200, { created, data: [{ url: null, b64_json: null }] }, headers)
    default:
      return wholeAnswer(simulator, paid, created)
  }
}

function wholeAnswer(simulator: Simulator, paid: PaidCall, created: number): Answer {
  const { asked, call, fault, headers, paidBefore } = paid
  const seed = asked.seed ?? Math.floor(chance('seed', asked.fingerprint, paidBefore) * 2 ** 31)
  call.seed = seed
  const data = Array.from({ length: asked.n }, (_, index) => {
    const picture: Picture = {
      model: asked.model,
      prompt: asked.prompt,
      seed,
      ...asked.size,
      digest: pictureDigest(asked, seed, index),
      call: simulator.settings.stable_bytes ? undefined : call.id,
      padBytes: simulator.settings.pad_bytes,
    }
    return datum(simulator, paid, picture)
  })
  const { 'x-request-id': requestId = '' } = headers
  const sent = jsonAnswer(
    200,
    { created, data },
    fault?.name === 'no_headers' ? { 'x-request-id': requestId } : headers,
  )
  if (sent.kind !== 'send') return sent
  if (fault?.name === 'bad_json') return { ...sent, body: sent.body.slice(0, -3) }
  if (fault?.name === 'drip' || fault?.name === 'cut_mid_body') return { ...sent, kind: fault.name }
  return sent
}

/** One picture in the form that is due. Both keys are always there, the unused one null. */
function datum(
  simulator: Simulator,
  paid: PaidCall,
  picture: Picture,
): { url: string | null; b64_json: string | null } {
  const { call, fault, origin } = paid
  const form = formOf(simulator, paid)
  const link = () => {
    if (fault?.name === 'url_private') return 'http://169.254.169.254/latest/meta-data/'
    return origin + simulator.assets.add(picture, fault?.name, call, simulator.settings.url_ttl_s * 1000)
  }
  const base64 = () => {
    const text = imageBytes(picture, fault?.name).toString('base64')
    return fault?.name === 'bad_base64' ? `${text.slice(0, 40)}*not base64*${text.slice(40)}` : text
  }
  if (form === 'url') return { url: link(), b64_json: null }
  if (form === 'data_uri') return { url: `data:image/png;base64,${base64()}`, b64_json: null }
  if (form === 'both') return { url: link(), b64_json: base64() }
  return { url: null, b64_json: base64() }
}

function formOf(simulator: Simulator, { asked, fault, sighting }: PaidCall): 'url' | 'b64_json' | 'data_uri' | 'both' {
  const { form } = simulator.settings
  if (fault?.strikes === 'url') return 'url'
  if (fault?.name === 'bad_base64') return 'b64_json'
  if (form === 'asked') return asked.form
  if (form !== 'mixed') return form
  const forms = ['url', 'b64_json', 'data_uri', 'both'] as const
  return forms[Math.floor(chance('form', asked.fingerprint, sighting) * forms.length)] ?? 'url'
}
