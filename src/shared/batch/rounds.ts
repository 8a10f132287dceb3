import type { StoredResultLine } from '../contract/result.ts'
import type { Control } from '../ledger/control.ts'

/**
 * Whether the present round makes an item again whose outcome of an earlier round is this one. A retry takes failed
 * items, all or of certain codes; what failed at intake was never an item to make.
 */
export function isOpenAgain(line: StoredResultLine, control: Pick<Control, 'round' | 'retry_codes'>): boolean {
  if (line.status !== 'failed' || line.error === null || line.round >= control.round) return false
  if (line.error.code === 'invalid_request' && line.attempts === 0) return false
  return control.retry_codes === null || control.retry_codes.includes(line.error.code)
}
