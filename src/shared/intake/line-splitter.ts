const newline = 0x0a
const carriageReturn = 0x0d

export interface Line {
  /** Counted from 1, blank ones too. */
  readonly line: number
  /** Without the line's end; undefined where it is longer than it may be. */
  readonly bytes: Buffer | undefined
}

export interface LineSplitter {
  /** The lines that end in this piece and are not blank. Their bytes are good until the next call. */
  push(piece: Buffer): Line[]
  /** The last line, where it has no end of its own. */
  end(): Line[]
  /** Bytes so far that are in no line that was given: blank lines, and what is beyond the longest line. */
  readonly wastedBytes: number
}

/** Splits bytes at `\n` or `\r\n`, however they are cut into pieces. Keeps at most one line of `bytesMax`. */
export function newLineSplitter(bytesMax: number): LineSplitter {
  let line = 1
  let wastedBytes = 0
  /** The beginning of the line under way; at most one byte over the limit, for a `\r` that may follow. */
  let begun: Buffer[] = []
  let begunBytes = 0
  let tooLong = false

  function keep(piece: Buffer): void {
    if (tooLong || begunBytes + piece.length > bytesMax + 1) {
      tooLong = true
      wastedBytes += begunBytes + piece.length
      begun = []
      begunBytes = 0
    } else if (piece.length > 0) {
      begun.push(piece)
      begunBytes += piece.length
    }
  }

  function finish(): Line[] {
    const whole = begun.length === 1 ? (begun[0] ?? Buffer.alloc(0)) : Buffer.concat(begun)
    const bytes = whole.at(-1) === carriageReturn ? whole.subarray(0, -1) : whole
    const found = { line, bytes: tooLong || bytes.length > bytesMax ? undefined : bytes }
    const blank = found.bytes !== undefined && isBlank(found.bytes)
    if (blank) wastedBytes += whole.length + 1
    line += 1
    begun = []
    begunBytes = 0
    tooLong = false
    return blank ? [] : [found]
  }

  /** Where the next line begins that is not empty: a flood of line ends must not cost more than it is worth. */
  function passEmpty(piece: Buffer, from: number): number {
    let at = from
    while (begunBytes === 0 && !tooLong && piece[at] === newline) at += 1
    line += at - from
    wastedBytes += at - from
    return at
  }

  return {
    push(piece) {
      const lines: Line[] = []
      let from = passEmpty(piece, 0)
      for (let at = piece.indexOf(newline, from); at !== -1; at = piece.indexOf(newline, from)) {
        keep(piece.subarray(from, at))
        lines.push(...finish())
        from = passEmpty(piece, at + 1)
      }
      keep(piece.subarray(from))
      return lines
    },
    end: () => (begunBytes > 0 || tooLong ? finish() : []),
    get wastedBytes() {
      return wastedBytes
    },
  }
}

/** Nothing but JSON's own blanks (RFC 8259). */
function isBlank(bytes: Buffer): boolean {
  for (const byte of bytes) {
    if (byte !== 0x20 && byte !== 0x09 && byte !== carriageReturn) return false
  }
  return true
}
