import type { Fault } from '../contract/fault.ts'
import { endsInExt, stemOf } from './output-key.ts'

/** The custom ids and output keys of a batch so far. */
export interface Taken {
  /** Notes an item's id and key; says which of them another item has already. */
  take(index: number, customId: string, key: string): Fault[]
}

interface KeysOfStem {
  /** Item whose extension follows its bytes, so that it may become any of them. */
  open: number | undefined
  /** Key -> item. */
  readonly literal: Map<string, number>
}

/**
 * Keys are the same if they are equal, or if they differ in the extension alone and one of them leaves it open
 * (`.{{ext}}`): both could then be stored at one place.
 */
export function newTaken(): Taken {
  const ids = new Map<string, number>()
  const stems = new Map<string, KeysOfStem>()

  function holderOfKey(index: number, key: string): number | undefined {
    const stem = stemOf(key)
    const keys = stems.get(stem) ?? { open: undefined, literal: new Map<string, number>() }
    stems.set(stem, keys)
    const isOpen = endsInExt(key)
    const first = isOpen ? keys.literal.values().next().value : keys.literal.get(key)
    const holder = keys.open ?? first
    if (holder !== undefined) return holder
    if (isOpen) keys.open = index
    else keys.literal.set(key, index)
    return undefined
  }

  return {
    take(index, customId, key) {
      const faults: Fault[] = []
      const idHolder = ids.get(customId)
      if (idHolder === undefined) ids.set(customId, index)
      else faults.push(fault('custom_id', 'duplicate_custom_id', `is that of items[${String(idHolder)}] too`))
      const keyHolder = holderOfKey(index, key)
      if (keyHolder !== undefined) {
        faults.push(fault('output_key', 'duplicate_key', `is the key of items[${String(keyHolder)}] too`))
      }
      return faults
    },
  }
}

function fault(param: string, code: Fault['code'], message: string): Fault {
  return { param, code, message }
}
