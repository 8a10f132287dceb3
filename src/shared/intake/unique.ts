import type { Fault } from '../contract/fault.ts'
import { hashOf, newHashTable } from './hash-table.ts'
import { extensionTag, openTag, stemOf } from './output-key.ts'

/** The custom ids and output keys of a batch so far. */
export interface Taken {
  /** Notes an item's id and key; or says which of them another item has already, and notes neither. */
  take(index: number, customId: string, key: string): Fault[]
  /** Notes an id alone; false where another item has it. */
  takeId(index: number, customId: string): boolean
}

/**
 * Keys are the same if they are equal, or if they differ in the extension alone and one of them leaves it open
 * (`.{{ext}}`): both could then be stored at one place.
 */
export function newTaken(): Taken {
  const ids = newHashTable()
  const stems = newHashTable()
  const anyTag = (): boolean => true
  return {
    take(index, customId, key) {
      const faults: Fault[] = []
      const id = hashOf(customId)
      const stem = hashOf(stemOf(key))
      const tag = extensionTag(key)
      const idHolder = ids.find(id, anyTag)
      const keyHolder = stems.find(stem, tag === openTag ? anyTag : (other) => other === openTag || other === tag)
      if (idHolder !== undefined) faults.push(fault('custom_id', 'duplicate_custom_id', 'is that of', idHolder))
      if (keyHolder !== undefined) faults.push(fault('output_key', 'duplicate_key', 'is the key of', keyHolder))
      if (faults.length > 0) return faults
      ids.add(id, 0, index)
      stems.add(stem, tag, index)
      return []
    },
    takeId(index, customId) {
      const id = hashOf(customId)
      if (ids.find(id, anyTag) !== undefined) return false
      ids.add(id, 0, index)
      return true
    },
  }
}

function fault(param: string, code: Fault['code'], is: string, holder: number): Fault {
  return { param, code, message: `${is} items[${String(holder)}] too` }
}
