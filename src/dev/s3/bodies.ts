import { randomUUID } from 'node:crypto'
import {
  closeSync,
  constants,
  copyFileSync,
  createReadStream,
  fstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readSync,
  rmSync,
  writevSync,
} from 'node:fs'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { S3Error } from './errors.ts'

/** A body on its way to disk. Nothing points at it before its row is written. */
export interface BodyWriter {
  /** What the row will call it. */
  readonly name: string
  add(piece: Buffer): void
  /** Hands the last bytes to the system: from here on they outlive this process. */
  close(): void
  discard(): void
}

/** Files with the bytes of objects and parts, never changed once written. */
export interface Bodies {
  write(): BodyWriter
  copy(name: string): string
  /** Bytes `first` to `last`, both included, of a body that has so many: at once where they are few, else a stream. */
  read(name: string, bytes: number, first: number, last: number): Buffer | Readable
  /** The same, always as a stream. The file is open on return: it may be removed while it is read. */
  stream(name: string, bytes: number, first: number, last: number): Readable
  remove(names: Iterable<string>): void
  /** Takes away what a kill left behind: every body that no row names. */
  sweep(named: ReadonlySet<string>): void
}

const pieceBytes = 1024 * 1024

/**
 * Names are random and say nothing of the key: no traversal, no limit on length, `a` beside `a/b`. Calls are
 * synchronous: into the page cache, one megabyte at a time, they cost less than the way through the thread pool.
 */
export function openBodies(folder: string): Bodies {
  for (let shelf = 0; shelf < 256; shelf += 1)
    mkdirSync(join(folder, shelf.toString(16).padStart(2, '0')), { recursive: true })
  const pathOf = (name: string): string => join(folder, name.slice(0, 2), name)
  const remove = (name: string): void => {
    rmSync(pathOf(name), { force: true })
  }

  function open(name: string, bytes: number): number {
    const file = openSync(pathOf(name), 'r')
    if (fstatSync(file).size === bytes) return file
    // After a power cut a row can be on disk and its bytes not.
    closeSync(file)
    throw new S3Error('InternalError', 'The body is not whole on disk.')
  }

  function stream(name: string, bytes: number, first: number, last: number): Readable {
    return createReadStream('', { fd: open(name, bytes), start: first, end: last, highWaterMark: pieceBytes })
  }

  return {
    write() {
      const name = randomUUID()
      let pieces: Buffer[] = []
      let waitingBytes = 0
      let file: number | undefined

      function flush(): void {
        file ??= openSync(pathOf(name), 'wx')
        let unwritten = pieces
        pieces = []
        waitingBytes = 0
        while (unwritten.length > 0) unwritten = behind(unwritten, writevSync(file, unwritten))
      }

      function close(): void {
        if (file !== undefined) closeSync(file)
        file = undefined
      }

      return {
        name,
        add(piece) {
          pieces.push(piece)
          waitingBytes += piece.length
          if (waitingBytes >= pieceBytes) flush()
        },
        close() {
          flush()
          close()
        },
        discard() {
          close()
          remove(name)
        },
      }
    },

    copy(name) {
      const copy = randomUUID()
      copyFileSync(pathOf(name), pathOf(copy), constants.COPYFILE_FICLONE)
      return copy
    },

    read(name, bytes, first, last) {
      const length = last - first + 1
      if (length > pieceBytes) return stream(name, bytes, first, last)
      const piece = Buffer.allocUnsafe(length)
      const file = open(name, bytes)
      readSync(file, piece, 0, length, first)
      closeSync(file)
      return piece
    },

    stream,

    remove(names) {
      for (const name of names) remove(name)
    },

    sweep(named) {
      for (const shelf of readdirSync(folder))
        for (const name of readdirSync(join(folder, shelf))) if (!named.has(name)) remove(name)
    },
  }
}

/** What is left of the pieces behind so many bytes. */
function behind(pieces: Buffer[], bytes: number): Buffer[] {
  let left = bytes
  for (const [index, piece] of pieces.entries()) {
    if (left < piece.length) return [piece.subarray(left), ...pieces.slice(index + 1)]
    left -= piece.length
  }
  return []
}
