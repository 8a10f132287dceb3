import type { InputItem } from '../contract/accepted.ts'
import { itemsFault, type BatchOptions } from '../contract/batch-request.ts'
import type { Fault, ItemFault } from '../contract/fault.ts'
import { faultsMax, invalidRequest } from '../contract/problem.ts'
import { textFault } from '../contract/text.ts'
import { readItem } from './item.ts'
import type { ItemRules } from './options.ts'
import type { RawItem } from './raw-item.ts'
import { newTaken } from './unique.ts'
import { newWarnings, type BatchWarning } from './warnings.ts'

/** What became of an upload's items. */
export interface ReadItems {
  readonly total: number
  /** Up to a hundred of the lines that were skipped, and how many there were; undefined: none. */
  readonly errors: { readonly data: readonly ItemFault[]; readonly total: number } | undefined
  readonly warnings: readonly BatchWarning[]
  /** An item brought an output key of its own. */
  readonly anyOwnKey: boolean
}

export interface ItemReader {
  /**
   * Reads the next item. Undefined: the batch is refused, by this one or one before, and only the faults still count.
   * Throws `ApiProblem` where there are more items than a batch may have.
   */
  read(raw: RawItem): InputItem | undefined
  /** All items were read. Throws `ApiProblem` where the batch is refused, with the first hundred faults. */
  end(): ReadItems
}

/**
 * Checks items one by one, in order. `reject`: any fault refuses the whole. `skip`: a bad line is kept as an item that
 * has failed, so that every line is answered.
 */
export function newItemReader(rules: ItemRules, onInvalid: NonNullable<BatchOptions['on_invalid']>): ItemReader {
  const taken = newTaken()
  const warnings = newWarnings()
  const faults: ItemFault[] = []
  let faultCount = 0
  let total = 0
  let refused = false
  let anyOwnKey = false
  let namedByLine = false

  function note(raw: RawItem, index: number, found: readonly Fault[]): void {
    faultCount += found.length
    for (const fault of found.slice(0, faultsMax - faults.length)) {
      faults.push({ ...fault, line: raw.line, index, custom_id: customIdOf(raw.raw) })
    }
  }

  /** Its own id where that is one and free, else a name by its line. */
  function nameOfSkipped({ raw, line }: RawItem, index: number): string {
    const own = customIdOf(raw)
    if (own !== null && textFault(own, 1, 128) === undefined && taken.takeId(index, own)) return own
    // From here on items without an id are named by their line too: `item-<index + 1>` may be this one's name.
    namedByLine = true
    const byLine = `item-${String(line)}`
    let name = byLine
    for (let more = 2; !taken.takeId(index, name); more += 1) name = `${byLine}-${String(more)}`
    return name
  }

  function skipped(raw: RawItem, index: number, found: readonly Fault[]): InputItem {
    const custom_id = nameOfSkipped(raw, index)
    const message = found.map(({ param, message: wrong }) => `${param} ${wrong}`.trim()).join('; ')
    return { index, custom_id, invalid: { message: message.slice(0, messageMax) } }
  }

  return {
    read(raw) {
      const index = total
      total += 1
      const tooMany = itemsFault(total)
      if (tooMany !== undefined) throw invalidRequest([tooMany])
      const name = `item-${String(namedByLine ? raw.line : index + 1)}`
      const read = raw.fault === undefined ? readItem(raw.raw, { index, name }, rules) : { faults: [raw.fault] }
      const found = 'faults' in read ? read.faults : taken.take(index, read.customId, read.item.key)
      if ('faults' in read || found.length > 0) {
        refused ||= onInvalid === 'reject' || raw.isLast === true
        // Of a line that is skipped the first fault stands for all.
        note(raw, index, onInvalid === 'skip' ? found.slice(0, 1) : found)
        return refused ? undefined : skipped(raw, index, found)
      }
      warnings.add(read.warnings, read.customId)
      anyOwnKey ||= read.ownKey
      return refused ? undefined : read.item
    },
    end() {
      const none = itemsFault(total)
      if (none !== undefined) throw invalidRequest([none])
      if (refused) throw invalidRequest(faults, faultCount)
      const errors = faultCount === 0 ? undefined : { data: faults, total: faultCount }
      return { total, errors, warnings: warnings.all(), anyOwnKey }
    },
  }
}

/** Longest message of a result line. */
const messageMax = 500

/** As it was sent, where it could be one: so that the caller finds the item. */
function customIdOf(raw: unknown): string | null {
  if (typeof raw !== 'object' || raw === null) return null
  const id: unknown = Reflect.get(raw, 'custom_id')
  return typeof id === 'string' && id.length <= 256 ? id : null
}
