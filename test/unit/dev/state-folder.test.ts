import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { defaultStateFolder, shownPath, takeStateFolder } from '../../../src/dev/state-folder.ts'

const clone = join(import.meta.dirname, '..', '..', '..')
let folder: string

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'state-test-'))
})

afterEach(async () => {
  await rm(folder, { recursive: true, force: true })
})

describe('the state folder', () => {
  it('is in the clone, wherever the command is called', () => {
    expect(defaultStateFolder('demo', '/somewhere/else')).toBe(join(clone, '.cratework', 'demo'))
  })

  it('is one process’s at a time, and the next one’s afterwards', () => {
    const state = join(folder, 'not', 'there', 'yet')
    const taken = takeStateFolder(state)
    expect(() => takeStateFolder(state)).toThrow(`${state} is in use by another`)
    taken[Symbol.dispose]()
    takeStateFolder(state)[Symbol.dispose]()
  })

  it('is shown from the current folder where it lies below that', () => {
    expect(shownPath(join(process.cwd(), '.cratework', 'up'))).toBe(join('.cratework', 'up'))
    expect(shownPath(folder)).toBe(folder)
  })
})
