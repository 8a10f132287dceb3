import { decodeTime, ulid } from 'ulid'

/** `batch_` + a ULID: the id itself says when the batch was made, so lists need no index of times. */
export function newBatchId(nowMs: number, random: () => number): string {
  return `batch_${ulid(nowMs, random)}`
}

const batchIdPattern = /^batch_[0-7][0-9A-HJKMNP-TV-Z]{25}$/

export function isBatchId(text: string): boolean {
  return batchIdPattern.test(text)
}

/** Unix milliseconds at which a batch id was made. */
export function batchTimeMs(batchId: string): number {
  return decodeTime(batchId.slice('batch_'.length))
}

/** `item_<ulid of the batch>-<index>`: derived, so no table of ids is kept anywhere. */
export function itemId(batchId: string, index: number): string {
  return `item_${batchId.slice('batch_'.length)}-${String(index)}`
}

/** The batch and index that an item id names, or undefined where it is no item id. */
export function parseItemId(text: string): { batch: string; index: number } | undefined {
  const match = /^item_([0-7][0-9A-HJKMNP-TV-Z]{25})-(0|[1-9][0-9]{0,6})$/.exec(text)
  if (match === null) return undefined
  return { batch: `batch_${match[1] as string}`, index: Number(match[2]) }
}
