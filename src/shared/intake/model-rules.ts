import type { ImageParameters } from '../contract/accepted.ts'
import type { Fault } from '../contract/fault.ts'
import type { ModelRow } from '../models/catalogue.ts'

/** Something that is sent all the same, and that the caller may not have meant. */
export interface ItemWarning {
  readonly code: 'parameter_not_taken' | 'outside_documented_range'
  readonly param: string
}

/** `owner/name`: the form of ids that Runcrate may have and our catalogue does not. */
const idForm = /^[A-Za-z0-9._-]+\/[A-Za-z0-9._-]+$/

/** What keeps a model from being called. An id that the catalogue does not list is passed on as it is. */
export function modelFaults(model: string, row: ModelRow | undefined): Fault[] {
  if (row === undefined && !idForm.test(model)) {
    return [
      { param: 'model', code: 'unknown_model', message: 'is not a known model, nor an id of the form owner/name' },
    ]
  }
  const needed = row?.requires[0]
  if (needed === undefined) return []
  return [{ param: 'model', code: 'unsupported', message: `needs ${needed}, and image inputs are not supported yet` }]
}

/** What the model does not take, and what lies outside of what its maker documents. Neither is refused by Runcrate. */
export function modelWarnings(row: ModelRow | undefined, parameters: ImageParameters): ItemWarning[] {
  if (row === undefined) return []
  const taken: readonly string[] = row.takes
  return Object.entries(parameters).flatMap(([param, value]): ItemWarning[] => {
    if (!taken.includes(param)) return [{ code: 'parameter_not_taken', param }]
    return isDocumented(row.limits, param, value) ? [] : [{ code: 'outside_documented_range', param }]
  })
}

function isDocumented(limits: ModelRow['limits'], param: string, value: unknown): boolean {
  if (param === 'aspect_ratio') return limits.aspect_ratio.some((ratio) => ratio === value)
  const range = rangeOf(limits, param)
  if (range === undefined || typeof value !== 'number') return true
  const fits = value >= range.min && value <= range.max
  return fits && (range.multiple_of === undefined || value % range.multiple_of === 0)
}

interface Range {
  readonly min: number
  readonly max: number
  readonly multiple_of?: number | undefined
}

function rangeOf(limits: ModelRow['limits'], param: string): Range | undefined {
  switch (param) {
    case 'width':
      return limits.width
    case 'height':
      return limits.height
    case 'num_inference_steps':
      return limits.num_inference_steps
    case 'guidance':
      return limits.guidance
    case 'seed':
      return limits.seed
    default:
      return undefined
  }
}
