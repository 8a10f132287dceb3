import { describe, expect, it } from 'vitest'
import { findModel, modelRow, models, priceNano } from '../../../../src/shared/models/catalogue.ts'

const square = { width: 1024, height: 1024 }

describe('the model catalogue', () => {
  it.each(models.map((row) => [row.id, row] as const))('%s is a sound row', (_, row) => {
    expect(modelRow.parse(row)).toEqual(row)
    expect(row.takes).toEqual(expect.arrayContaining(row.requires))
    expect(new Set(row.takes).size).toBe(row.takes.length)
    for (const limited of ['num_inference_steps', 'guidance'] as const) {
      const limit = row.limits[limited]
      if (limit === undefined) continue
      expect(row.takes).toContain(limited)
      expect(limit.default).toBeGreaterThanOrEqual(limit.min)
      expect(limit.default).toBeLessThanOrEqual(limit.max)
    }
  })

  it('knows no name twice', () => {
    const names = models.flatMap((row) => [row.id, ...row.aliases])
    expect(new Set(names).size).toBe(names.length)
  })

  it('finds a model by its id and by an alias, letter for letter', () => {
    expect(findModel('black-forest-labs/FLUX.1-schnell')?.family).toBe('FLUX.1 schnell')
    expect(findModel('black-forest-labs/flux-schnell')).toBe(findModel('black-forest-labs/FLUX.1-schnell'))
    expect(findModel('black-forest-labs/flux.1-schnell')).toBeUndefined()
    expect(findModel('acme/unlisted')).toBeUndefined()
  })
})

describe('priceNano', () => {
  const price = (model: string, image: Parameters<typeof priceNano>[1]) => priceNano(findModel(model), image)

  it('is 0.003 for an image of FLUX.1-schnell, and as much again for each further megapixel', () => {
    expect(price('black-forest-labs/FLUX.1-schnell', square)).toBe(3_000_000)
    expect(price('black-forest-labs/FLUX.1-schnell', { width: 256, height: 256 })).toBe(3_000_000)
    expect(price('black-forest-labs/FLUX.1-schnell', { width: 1920, height: 1088 })).toBe(6_000_000)
    expect(price('black-forest-labs/FLUX.1-schnell', { width: 2048, height: 2048 })).toBe(12_000_000)
  })

  it('adds half of the first megapixel for each further one of FLUX.2, in or out', () => {
    expect(price('black-forest-labs/FLUX.2-pro', square)).toBe(30_000_000)
    expect(price('black-forest-labs/FLUX.2-pro', { width: 2048, height: 2048 })).toBe(75_000_000)
    expect(price('black-forest-labs/FLUX.2-pro', { ...square, inputMegapixels: 1 })).toBe(45_000_000)
  })

  it('does not depend on the size where an image has one price', () => {
    expect(price('ideogram-ai/ideogram-v2', { width: 2048, height: 2048 })).toBe(80_000_000)
  })

  it('is null where nobody knows it', () => {
    expect(price('acme/unlisted', square)).toBeNull()
    expect(price('stabilityai/stable-diffusion-xl-base-1.0', square)).toBeNull()
  })
})
