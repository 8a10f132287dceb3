import { openSync, writeSync } from 'node:fs'
import { Writable } from 'node:stream'

/** A file that a log is written to, begun anew. Each line is in it at once, so that also a killed process has told all. */
export function openLogFile(path: string): Writable {
  const file = openSync(path, 'w')
  return new Writable({
    decodeStrings: true,
    write(line: Buffer, _encoding, done) {
      writeSync(file, line)
      done()
    },
  })
}
