import { describe, expect, it } from 'vitest'
import { models } from '../../../../src/shared/models/catalogue.ts'
import { megapixels, outputSize } from '../../../../src/shared/models/sizes.ts'

const ratios = [...new Set(models.flatMap((row) => row.limits.aspect_ratio))]

describe('outputSize', () => {
  it.each(ratios)('%s is about one megapixel and within 7 %% of the ratio', (ratio) => {
    const { width, height } = outputSize({ aspect_ratio: ratio })
    const [across, down] = ratio.split(':').map(Number) as [number, number]
    expect(width / height / (across / down)).toBeGreaterThan(0.93)
    expect(width / height / (across / down)).toBeLessThan(1.07)
    expect(megapixels({ width, height })).toBe(1)
  })

  it('is 1024 x 1024 where nothing was asked for', () => {
    expect(outputSize({})).toEqual({ width: 1024, height: 1024 })
  })

  it('is the explicit size where there is one', () => {
    expect(outputSize({ width: 640, height: 480, aspect_ratio: '16:9' })).toEqual({ width: 640, height: 480 })
  })
})

describe('megapixels', () => {
  it.each([
    [1024, 1024, 1],
    [1024, 1025, 2],
    [1920, 1088, 2],
    [2048, 2048, 4],
    [256, 256, 1],
  ])('%d x %d are billed as %d', (width, height, billed) => {
    expect(megapixels({ width, height })).toBe(billed)
  })
})
