import { CsvError, parse, type Info } from 'csv-parse'
import type { Fault } from '../contract/fault.ts'
import { itemBytesMax } from '../contract/item.ts'
import { ApiProblem } from '../contract/problem.ts'
import { readHeader, type Columns } from './csv-columns.ts'
import { delimiterIn, newHeaderScan, withoutMark } from './csv-header.ts'
import type { RawItem } from './raw-item.ts'
import { checkWaste, lineTooLong } from './upload-limits.ts'

/** A row without a cell counts as so many bytes at least: it costs time, if nothing else. */
const emptyRowBytes = 24

/**
 * Reads CSV (RFC 4180) as it comes: a header, then an item a row; rows whose cells are all empty are left out. A row that
 * does not fit the header is a fault of that row. Broken quotes end the upload, since nobody can say where the next row
 * begins. Throws `ApiProblem`: 422 for a header that cannot be meant, 400 for what is not UTF-8, 413 where an upload
 * holds next to nothing but empty rows.
 */
export async function* readCsv(pieces: AsyncIterable<Buffer>): AsyncGenerator<readonly RawItem[]> {
  const lines = newLineCounter()
  let items: RawItem[] = []
  let columns: Columns | undefined
  let wastedBytes = 0
  let bytesBefore = 0

  function takeRow(record: readonly string[], { bytes: bytesBehind }: Pick<Info, 'bytes'>): null {
    const bytes = bytesBehind - bytesBefore
    bytesBefore = bytesBehind
    const line = lines.passTo(bytesBehind)
    if (record.every((cell) => cell === '')) wastedBytes += Math.max(bytes, emptyRowBytes)
    else if (columns === undefined) columns = readHeader(record)
    else if (bytes > itemBytesMax) items.push({ line, ...columns.itemOf(record), fault: lineTooLong })
    else items.push({ line, ...columns.itemOf(record) })
    return null // the parser need not keep it
  }

  const source = utf8Only(pieces)
  try {
    const begun = await untilHeader(source)
    const parser = newParser(delimiterIn(begun), takeRow)
    for await (const piece of following(begun, source)) {
      lines.see(piece)
      await parser.write(piece)
      checkWaste(wastedBytes)
      if (items.length > 0) yield items
      items = []
    }
    await parser.end()
  } catch (error) {
    if (!(error instanceof CsvError)) throw error
    items.push({ line: lines.at(), raw: undefined, fault: faultOf(error), isLast: true })
  } finally {
    await source.return(undefined)
  }
  if (items.length > 0) yield items
}

interface RowParser {
  /** Resolves when all rows that end in this piece were taken. Rejects with `CsvError`, or what taking a row throws. */
  write(piece: Buffer): Promise<void>
  end(): Promise<void>
}

function newParser(delimiter: string, takeRow: (record: string[], info: Info) => null): RowParser {
  const parser = parse({
    delimiter,
    on_record: takeRow,
    record_delimiter: ['\r\n', '\n'],
    relax_column_count: true,
    // Longer ones are faults of their own row; twice as long, a quote was never closed.
    max_record_size: 2 * itemBytesMax,
  })
  parser.on('error', () => undefined) // whoever writes hears of it
  parser.resume()
  const done = (run: (callback: (error?: Error | null) => void) => void): Promise<void> =>
    new Promise((resolve, reject) => {
      run((error) => {
        if (error === undefined || error === null) resolve()
        else reject(error)
      })
    })
  return {
    write: (piece) => done((callback) => parser.write(piece, callback)),
    end: () => done((callback) => parser.end(callback)),
  }
}

async function* following(begun: Buffer, rest: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  if (begun.length > 0) yield begun
  yield* rest
}

function faultOf({ code }: CsvError): Fault {
  const wrong = (message: string): Fault => ({ param: '', code: 'invalid_format', message })
  if (code === 'CSV_MAX_RECORD_SIZE')
    return { ...lineTooLong, message: `${lineTooLong.message}; is a quote not closed?` }
  if (code === 'CSV_QUOTE_NOT_CLOSED') return wrong('has a quote that is not closed')
  if (code === 'INVALID_OPENING_QUOTE') return wrong('has a quote in the middle of a cell that does not begin with one')
  return wrong('has text behind the closing quote of a cell')
}

interface LineCounter {
  see(piece: Buffer): void
  /** The line at which the row begins that ends before this byte; goes on behind it. */
  passTo(bytes: number): number
  /** The line that the next row begins on. */
  at(): number
}

/** Physical lines: the parser counts a `\r\n` within quotes as two. */
function newLineCounter(): LineCounter {
  /** Places of the line ends that no row has passed yet. */
  let ends: number[] = []
  let passed = 0
  let line = 1
  let seenBytes = 0
  return {
    see(piece) {
      ends = ends.slice(passed)
      passed = 0
      for (let at = piece.indexOf('\n'); at !== -1; at = piece.indexOf('\n', at + 1)) ends.push(seenBytes + at)
      seenBytes += piece.length
    },
    passTo(bytes) {
      const begunAt = line
      for (; (ends[passed] ?? Infinity) < bytes; passed += 1) line += 1
      return begunAt
    },
    at: () => line,
  }
}

/** The beginning of the upload, up to the end of its first row that is not blank, or as much as a row may be long. */
async function untilHeader(source: AsyncGenerator<Buffer>): Promise<Buffer> {
  const scan = newHeaderScan()
  const begun: Buffer[] = []
  let bytes = 0
  while (bytes <= itemBytesMax) {
    const next = await source.next()
    if (next.done === true) break
    begun.push(next.value)
    bytes += next.value.length
    if (scan(next.value)) break
  }
  return withoutMark(Buffer.concat(begun))
}

/** Throws `ApiProblem` 400 where the bytes are not UTF-8: a shop's names would be stored wrong, and paid for. */
async function* utf8Only(pieces: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  const decoder = new TextDecoder('utf-8', { fatal: true })
  let bytes = 0
  const check = (piece: Buffer, stream: boolean): void => {
    try {
      decoder.decode(piece, { stream })
    } catch (cause) {
      const detail = `The body is not UTF-8 (before byte ${String(bytes + piece.length)}).`
      throw new ApiProblem({ problem: 'bad_request', detail, cause })
    }
    bytes += piece.length
  }
  for await (const piece of pieces) {
    check(piece, true)
    yield piece
  }
  check(Buffer.alloc(0), false)
}
