import { afterAll, describe } from 'vitest'
import { checksumChecks } from './checksums.ts'
import { conditionChecks } from './conditions.ts'
import { listingChecks } from './listing.ts'
import { multipartChecks } from './multipart.ts'
import { objectChecks } from './objects.ts'
import { openSetting } from './setting.ts'
import { signatureChecks } from './signatures.ts'
import { openTargets } from './target.ts'

// What we rely on in an S3, asked of every S3 at hand. Where they differ, a real one is right.

const { targets, stop } = await openTargets()

afterAll(stop)

describe.each(targets)('$name', (target) => {
  const setting = openSetting(target)
  afterAll(() => setting.clear())

  describe('objects', () => {
    objectChecks(setting)
  })
  describe('conditions', () => {
    conditionChecks(setting)
  })
  describe('checksums', () => {
    checksumChecks(setting)
  })
  describe('listing', () => {
    listingChecks(setting)
  })
  describe('multipart', () => {
    multipartChecks(setting)
  })
  describe('signatures', () => {
    signatureChecks(setting)
  })
})
