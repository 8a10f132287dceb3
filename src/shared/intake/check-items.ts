import type { ItemFault } from '../contract/fault.ts'
import { faultsMax, invalidRequest } from '../contract/problem.ts'
import type { Clock } from '../process/clock.ts'
import { readItem } from './item.ts'
import type { ItemRules } from './options.ts'
import { newTaken } from './unique.ts'
import { newWarnings, type BatchWarning } from './warnings.ts'

/** So many items are read in one go; then others' requests have their turn. */
const itemsAtOnce = 500

/**
 * Looks at every item before anything is written. Throws `ApiProblem` with the first hundred faults where there is one.
 * Items are read again when they are written: they are not kept, so that memory holds a batch once.
 */
export async function checkItems(
  clock: Clock,
  items: readonly unknown[],
  rules: ItemRules,
): Promise<{ warnings: BatchWarning[]; anyOwnKey: boolean }> {
  const faults: ItemFault[] = []
  const taken = newTaken()
  const warnings = newWarnings()
  let faultCount = 0
  let anyOwnKey = false
  for (const [index, raw] of items.entries()) {
    if (index % itemsAtOnce === itemsAtOnce - 1) await clock.sleep(0)
    const read = readItem(raw, index, rules)
    const found = 'faults' in read ? read.faults : taken.take(index, read.customId, read.item.key)
    faultCount += found.length
    for (const fault of found.slice(0, faultsMax - faults.length)) {
      faults.push({ ...fault, line: index + 1, index, custom_id: customIdOf(raw) })
    }
    if ('faults' in read) continue
    warnings.add(read.warnings, read.customId)
    anyOwnKey ||= read.ownKey
  }
  if (faultCount > 0) throw invalidRequest(faults, faultCount)
  return { warnings: warnings.all(), anyOwnKey }
}

/** As it was sent, where it could be one: so that the caller finds the item. */
function customIdOf(raw: unknown): string | null {
  if (typeof raw !== 'object' || raw === null) return null
  const id: unknown = Reflect.get(raw, 'custom_id')
  return typeof id === 'string' && id.length <= 256 ? id : null
}
