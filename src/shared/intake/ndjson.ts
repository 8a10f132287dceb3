import type { Fault } from '../contract/fault.ts'
import { itemBytesMax } from '../contract/item.ts'
import { readJson } from './json-text.ts'
import { newLineSplitter, type Line } from './line-splitter.ts'
import type { RawItem } from './raw-item.ts'
import { checkWaste, lineTooLong } from './upload-limits.ts'

/**
 * Reads NDJSON as it comes: an item a line, blank lines left out. A line that is no JSON, or longer than a line may be,
 * is a fault of that line. Throws `ApiProblem` 413 where an upload holds next to nothing but blanks.
 */
export async function* readNdjson(pieces: AsyncIterable<Buffer>): AsyncGenerator<readonly RawItem[]> {
  const splitter = newLineSplitter(itemBytesMax)
  for await (const piece of pieces) {
    yield splitter.push(piece).map(rawItem)
    checkWaste(splitter.wastedBytes)
  }
  yield splitter.end().map(rawItem)
}

function rawItem({ line, bytes }: Line): RawItem {
  if (bytes === undefined) return { line, raw: undefined, fault: lineTooLong }
  const read = readJson(bytes)
  if ('value' in read) return { line, raw: read.value }
  const place = read.at === undefined ? '' : ` at column ${String(read.at.column)}`
  const fault: Fault = { param: '', code: 'invalid_json', message: `${read.fault}${place}` }
  return { line, raw: undefined, fault }
}
