import { z } from 'zod'
import type { Clock } from '../../shared/process/clock.ts'
import { chance } from './chance.ts'
import { errorShapes, Refusal, type ErrorShape } from './refusal.ts'
import type { GenerationRequest } from './request.ts'

/** Every fault, by where it strikes: `refuse` before any work, unpaid; the others after the image was made and paid. */
const strikes = {
  '429': 'refuse',
  '500': 'refuse',
  '502_html': 'refuse',
  '503_retry_after': 'refuse',
  '401': 'refuse',
  '402': 'refuse',
  '403_key': 'refuse',
  '403_content': 'refuse',
  lying_headers: 'refuse',
  moderate_in: 'refuse',
  cut_before: 'refuse',
  '500_paid': 'answer',
  '504_paid': 'answer',
  moderate_out: 'answer',
  hang: 'answer',
  cut_after: 'answer',
  cut_mid_body: 'answer',
  drip: 'answer',
  latency_x: 'answer',
  no_headers: 'answer',
  bad_json: 'answer',
  empty_data: 'answer',
  null_data: 'answer',
  html_200: 'answer',
  error_in_200: 'answer',
  bad_base64: 'image',
  truncated_png: 'image',
  zero_bytes: 'image',
  html_image: 'image',
  wrong_type: 'image',
  wrong_size: 'image',
  black: 'image',
  url_gone: 'url',
  url_404_once: 'url',
  url_5xx_once: 'url',
  url_slow: 'url',
  url_short: 'url',
  url_redirect_loop: 'url',
  url_private: 'url',
} as const

export type FaultName = keyof typeof strikes

const faultNames = Object.keys(strikes) as FaultName[]

const outages = ['429', '500', '502_html', '503_retry_after', '401', '402', '403_key', 'cut_before']

const rule = z
  .strictObject({
    fault: z.enum(faultNames),
    /** Share of the calls that it strikes; the rates of a plan add up to 1 at most. */
    rate: z.number().min(0).max(1).default(1),
    models: z.array(z.string()).optional(),
    /** From the first call that it strikes, every call gets it for so long: an outage of the whole service. */
    for_s: z.number().positive().optional(),
    /** The image was made and is paid for all the same. */
    paid: z.boolean().optional(),
    /** How many times longer `latency_x` takes. */
    factor: z.number().positive().default(10),
    /** Another shape for the body of its error. */
    shape: z.enum(errorShapes).default('error'),
  })
  .refine((one) => one.for_s === undefined || outages.includes(one.fault), `for_s goes with ${outages.join(', ')}`)

const presets = {
  calm: [],
  weather: [
    ['500', 0.01],
    ['503_retry_after', 0.005],
    ['502_html', 0.003],
    ['cut_after', 0.002],
    ['hang', 0.002],
    ['truncated_png', 0.005],
    ['url_5xx_once', 0.005],
    ['moderate_in', 0.01],
  ],
} as const satisfies Record<string, readonly (readonly [FaultName, number])[]>

/** The body of `PUT /_sim/faults`. Which call is struck depends on the seed, the body and how often it was seen alone. */
export const faultPlan = z
  .strictObject({
    seed: z.union([z.int(), z.string()]).default(0),
    preset: z.enum(['calm', 'weather']).default('calm'),
    /** Only so many calls, from now on, are looked at. */
    until_calls: z.int().min(0).optional(),
    models: z.array(z.string()).optional(),
    rules: z.array(rule).default([]),
  })
  .transform(({ preset, rules, ...plan }) => ({
    ...plan,
    rules: [...rules, ...presets[preset].map(([fault, rate]) => rule.parse({ fault, rate }))],
  }))
  .refine((plan) => plan.rules.reduce((sum, { rate }) => sum + rate, 0) <= 1 + 1e-9, 'the rates add up to more than 1')
export type FaultPlan = z.infer<typeof faultPlan>

/** A fault that strikes this call. */
export interface Fault {
  readonly name: FaultName
  readonly strikes: 'refuse' | 'answer' | 'image' | 'url'
  /** The work is done and paid before it strikes. */
  readonly paid: boolean
  readonly factor: number
  readonly shape: ErrorShape
}

export interface Faults {
  readonly plan: FaultPlan
  set(plan: FaultPlan): void
  /** The fault of the outage that is on, if one is. */
  outage(): Fault | undefined
  /** The fault that strikes a call which saw its body `sighting` times before. Throws a Refusal of unknown directives. */
  choose(request: GenerationRequest, sighting: number): Fault | undefined
}

export const noFaults: FaultPlan = faultPlan.parse({})

export function createFaults(clock: Clock): Faults {
  let plan = noFaults
  let looked = 0
  let outage: { fault: Fault; untilMs: number } | undefined

  const chosenRule = (request: GenerationRequest, sighting: number) => {
    if (plan.until_calls !== undefined && looked >= plan.until_calls) return undefined
    looked += 1
    if (plan.models?.includes(request.model) === false) return undefined
    let dice = chance('fault', plan.seed, request.fingerprint, sighting)
    return plan.rules.find((one) => {
      dice -= one.rate
      return dice < 0 && one.models?.includes(request.model) !== false
    })
  }

  return {
    get plan() {
      return plan
    },
    set(next) {
      plan = next
      looked = 0
      outage = undefined
    },
    outage: () => (outage !== undefined && clock.monotonic() < outage.untilMs ? outage.fault : undefined),
    choose(request, sighting) {
      const directed = directedFault(request.prompt, sighting)
      if (directed !== undefined) return directed
      const chosen = chosenRule(request, sighting)
      if (chosen === undefined) return undefined
      const fault = faultOf(chosen.fault, chosen)
      if (chosen.for_s !== undefined) outage = { fault, untilMs: clock.monotonic() + chosen.for_s * 1000 }
      return fault
    },
  }
}

function faultOf(name: FaultName, given: { paid?: boolean | undefined; factor: number; shape: ErrorShape }): Fault {
  const strike = strikes[name]
  return {
    name,
    strikes: strike,
    paid: given.paid ?? (strike !== 'refuse' && name !== 'moderate_out'),
    factor: given.factor,
    shape: given.shape,
  }
}

/** `[[sim:FAULT]]` strikes always, `[[sim:FAULT xN]]` the first N times; `[[sim:detail_body]]` shapes the error's body. */
function directedFault(prompt: string, sighting: number): Fault | undefined {
  const directives = [...prompt.matchAll(/\[\[sim:([a-z0-9_]+)(?: x([0-9]{1,6}))?\]\]/g)]
  const shape = errorShapes.find((one) => directives.some(([, name]) => name === one)) ?? 'error'
  let found: Fault | undefined
  for (const [, text, times] of directives) {
    const name = faultNames.find((one) => one === text)
    if (name === undefined && !errorShapes.some((one) => one === text))
      throw new Refusal(422, 'validation_error', `The simulator knows no fault '${String(text)}'.`, 'prompt')
    if (name !== undefined && (times === undefined || sighting < Number(times)))
      found ??= faultOf(name, { factor: 10, shape })
  }
  return found
}
