import { chance } from './chance.ts'
import type { GenerationRequest } from './request.ts'

/** Median and 95th percentile of a call in seconds, at the default steps and one megapixel. Estimates. */
const table: readonly (readonly [model: RegExp, medianS: number, p95S: number])[] = [
  [/schnell/, 0.8, 1.6],
  [/kontext/, 6, 12],
  [/FLUX\.1-(dev|krea|canny)/, 3.5, 7],
  [/FLUX\.1\.1-pro/, 4, 8],
  [/FLUX\.1-pro/, 8, 15],
  [/FLUX\.2/, 8, 18],
  [/sd3\.5.*turbo/, 2, 4],
  [/sd3\.5/, 5, 10],
  [/ideogram.*turbo/, 5, 9],
  [/ideogram/, 9, 18],
]
const others = [5, 10] as const

/** One call in so many takes this much longer. */
const stragglers = { oneIn: 200, factor: 8 }

/** How long a call takes, in milliseconds: log-normal, and the same for the same body seen as often. */
export function modelLatencyMs(request: GenerationRequest, sighting: number): number {
  const [, medianS, p95S] = table.find(([model]) => model.test(request.row.id)) ?? ['', ...others]
  const dice = (what: string) => chance(what, request.fingerprint, sighting)
  // Box-Muller; 1.645 standard deviations above the median lies the 95th percentile.
  const normal = Math.sqrt(-2 * Math.log(1 - dice('size'))) * Math.cos(2 * Math.PI * dice('angle'))
  const seconds = medianS * Math.exp((normal * Math.log(p95S / medianS)) / 1.645)
  const steps = request.row.limits.num_inference_steps?.default
  const ofSteps = steps === undefined ? 1 : (request.steps ?? steps) / steps
  const ofSize = ((request.size.width * request.size.height) / 1_048_576) ** 0.8
  const straggles = dice('straggler') < 1 / stragglers.oneIn ? stragglers.factor : 1
  const inputsS = /FLUX\.2/.test(request.row.id) ? request.inputs.length : 0
  return (seconds * ofSteps * ofSize * straggles + inputsS) * 1000
}
