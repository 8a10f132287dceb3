import { asObject, parseObject, readImage, type AnsweredImage } from './answer.ts'

/**
 * The image that a 200's body holds, or undefined. Says what `readImage` says of the parsed body, by a shorter way where
 * the body is one base64 image and little else: to make a string of the megabytes and parse that was the largest cost of
 * an image, while the base64 can be found in the bytes and decoded from there (docs/performance.md).
 */
export function imageOfAnswer(body: Buffer): AnsweredImage | undefined {
  const bytes = scanForImage(body)
  if (bytes !== undefined) return { kind: 'bytes', bytes }
  const parsed = parseObject(body)
  return parsed === undefined ? undefined : readImage(parsed)
}

const key = '"b64_json"'
/** Stands for the image while the rest is parsed. A rest without it and without `\u` has no way to spell it. */
const marker = 'the image was here!'
/** Beside one image there are a few hundred bytes; a larger rest has another shape. */
const restBytesMax = 64 * 1024
const equalsSign = 0x3d

/** The bytes of the one image in the body, or undefined where only the parser can tell. */
export function scanForImage(body: Buffer): Buffer | undefined {
  const keyAt = body.indexOf(key)
  if (keyAt === -1) return undefined
  const from = startOfString(body, keyAt + key.length)
  const to = from === undefined ? -1 : body.indexOf('"', from)
  if (from === undefined || to === -1) return undefined
  return isTheImage(body.subarray(0, from), body.subarray(to)) ? decodeSlice(body, from, to) : undefined
}

/** Where the content of the string begins that is the key's value; undefined where its value is no string. */
function startOfString(body: Buffer, behindKey: number): number | undefined {
  const between = /^[ \t\r\n]*:[ \t\r\n]*"/.exec(body.toString('latin1', behindKey, behindKey + 32))
  return between === null ? undefined : behindKey + between[0].length
}

/** Whether what stands between the two is the `b64_json` of the one image: it is if a marker in its place is. */
function isTheImage(before: Buffer, behind: Buffer): boolean {
  if (before.length + behind.length > restBytesMax) return false
  if ([before, behind].some((part) => part.includes(marker) || part.includes('\\u'))) return false
  const data = parseObject(Buffer.concat([before, Buffer.from(marker), behind]))?.data
  const [datum, second] = Array.isArray(data) ? (data as unknown[]) : [data]
  return second === undefined && asObject(datum)?.b64_json === marker
}

/**
 * Base64 in a slice of bytes, in either alphabet, padded or not; undefined for anything else, be it an escape, a `data:`
 * prefix or a line break: `Buffer.from` skips what it does not know, and then gives less than the slice stands for.
 */
function decodeSlice(body: Buffer, from: number, to: number): Buffer | undefined {
  let lettersTo = to
  while (lettersTo > from && body[lettersTo - 1] === equalsSign) lettersTo -= 1
  const letters = lettersTo - from
  const isPadded = lettersTo !== to
  // One letter over a group of four holds six bits: no byte ends there. Padding, where given, must fill the group.
  if (letters === 0 || letters % 4 === 1) return undefined
  if (isPadded && (to - lettersTo > 2 || (to - from) % 4 !== 0)) return undefined
  const bytes = Buffer.from(body.toString('latin1', from, to), 'base64')
  return bytes.length === Math.floor((letters * 3) / 4) ? bytes : undefined
}
