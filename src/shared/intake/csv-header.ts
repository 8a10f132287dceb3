const quote = 0x22
const newline = 0x0a
const carriageReturn = 0x0d

/** Without a byte order mark, which spreadsheets write. */
export function withoutMark(bytes: Buffer): Buffer {
  return bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf ? bytes.subarray(3) : bytes
}

/** Finds where the first row ends that is not blank: gives true once it has. Bytes may come in any pieces. */
export function newHeaderScan(): (piece: Buffer) => boolean {
  let quoted = false
  let blank = true
  let ended = false
  return (piece) => {
    for (const byte of piece) {
      if (byte === quote) quoted = !quoted
      if (byte === newline && !quoted && !blank) ended = true
      if (byte !== newline && byte !== carriageReturn) blank = false
    }
    return ended
  }
}

const delimiters = [',', ';', '\t'] as const

/** What stands between the cells of the header: of comma, semicolon and tab the one that is there most often. */
export function delimiterIn(begun: Buffer): (typeof delimiters)[number] {
  const unquoted = begun.toString().replaceAll(/"[^"]*("|$)/g, '')
  const header = unquoted.split(/[\r\n]+/).find((row) => row !== '') ?? ''
  const count = (delimiter: string): number => header.split(delimiter).length
  return delimiters.toSorted((a, b) => count(b) - count(a))[0] ?? ','
}
