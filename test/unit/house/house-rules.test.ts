import { describe, expect, it } from 'vitest'
import { faultsOf } from '../../../scripts/house-rules.ts'

describe('the rules of the house that are read from the text', () => {
  it.each([
    ['src/shared/batch/utils.ts', 'export const one = 1'],
    ['src/shared/helpers/one.ts', 'export const one = 1'],
    ['src/shared/batch/index.ts', 'export const one = 1'],
    ['src/worker/feed.ts', '// oxlint-disable-next-line no-console'],
    ['test/unit/worker/feed.test.ts', '/* eslint-disable */'],
    ['src/worker/feed.ts', '// @ts-expect-error it is so'],
    ['src/worker/feed.ts', 'const batch = text as unknown as Batch'],
    ['src/worker/feed.ts', 'const at = new Date().toISOString()'],
    ['src/worker/feed.ts', 'const at = Date()'],
    ['test/unit/worker/feed.test.ts', "vi.mock('ioredis')"],
  ])('are broken by %s with %s', (path, text) => {
    expect(faultsOf(path, text)).toHaveLength(1)
  })

  it.each([
    ['src/shared/batch/utilisation.ts', 'export const one = 1'],
    ['src/worker/feed.ts', 'const at = new Date(nowMs).toISOString()'],
    ['src/shared/process/clock.ts', 'const at = new Date()'],
    ['src/dev/demo.ts', 'const at = new Date()'],
    ['src/worker/feed.ts', 'const batch: Batch = parse(text)'],
  ])('are kept by %s with %s', (path, text) => {
    expect(faultsOf(path, text)).toEqual([])
  })
})
