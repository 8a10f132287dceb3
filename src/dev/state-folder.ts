import { mkdirSync } from 'node:fs'
import { basename, join, relative, resolve } from 'node:path'
import { DatabaseSync } from 'node:sqlite'

/** Where `cratework up` and `cratework demo` keep what they have: in the clone, or below the current folder. */
export function defaultStateFolder(command: 'up' | 'demo', currentFolder: string): string {
  const sources = join(import.meta.dirname, '..')
  const isClone = basename(sources) === 'src'
  return join(isClone ? join(sources, '..') : currentFolder, '.cratework', command)
}

/**
 * Takes the folder for this process alone, and makes it first: two of Redis on one append-only file would spoil it. Given
 * back when it is disposed of, and by the system when this process ends, however it ends. Throws where another has it.
 */
export function takeStateFolder(folder: string): Disposable {
  mkdirSync(folder, { recursive: true })
  // SQLite's lock is the one of this kind that Node has on every system.
  const lock = new DatabaseSync(join(folder, 'in-use.lock'))
  try {
    lock.exec('PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE')
  } catch (error) {
    lock.close()
    throw new Error(`${folder} is in use by another "cratework up" or "cratework demo"; stop that one first`, {
      cause: error,
    })
  }
  return {
    [Symbol.dispose]: () => {
      lock.close()
    },
  }
}

/** A path as it is shown: from the current folder where it lies below that. */
export function shownPath(path: string): string {
  const below = relative(process.cwd(), path)
  return below === '' || below.startsWith('..') ? resolve(path) : below
}
