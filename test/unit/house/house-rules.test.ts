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
    ['src/api/app.ts', '// as the contract has it (contract section 2)'],
    ['docs/api.md', 'See design.md.'],
    ['src/shared/redis/first.lua', '-- bullmq.md, trap 3'],
    ['src/shared/redis/first.lua', '-- counts that add up (P2)'],
  ])('are broken by %s with %s', (path, text) => {
    expect(faultsOf(path, text)).toHaveLength(1)
  })

  it.each([
    ['src/shared/batch/utilisation.ts', 'export const one = 1'],
    ['src/worker/feed.ts', 'const at = new Date(nowMs).toISOString()'],
    ['src/shared/process/clock.ts', 'const at = new Date()'],
    ['src/dev/demo.ts', 'const at = new Date()'],
    ['src/api/app.ts', '// as docs/webhooks.md has it'],
    ['src/worker/feed.ts', 'const batch: Batch = parse(text)'],
  ])('are kept by %s with %s', (path, text) => {
    expect(faultsOf(path, text)).toEqual([])
  })
})
