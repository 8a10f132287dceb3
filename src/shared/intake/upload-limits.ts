import { grouped, type Fault } from '../contract/fault.ts'
import { itemBytesMax } from '../contract/item.ts'
import { ApiProblem } from '../contract/problem.ts'

/** Most bytes of an upload, decoded, that may be in no item. A few kilobytes of gzip can become gigabytes of blanks. */
const wastedBytesMax = 32 * 1024 * 1024

/** Throws `ApiProblem` 413 where more of an upload is nothing than anybody would send. */
export function checkWaste(wastedBytes: number): void {
  if (wastedBytes <= wastedBytesMax) return
  const detail = `More than ${grouped(wastedBytesMax)} bytes of the upload are blank or beyond the longest line.`
  throw new ApiProblem({ problem: 'too_large', detail })
}

export const lineTooLong: Fault = {
  param: '',
  code: 'too_long',
  message: `must be at most ${grouped(itemBytesMax)} bytes`,
}
