import { readFileSync } from 'node:fs'
import { createHash } from 'node:crypto'
import { expect, it } from 'vitest'
import { z } from 'zod'
import { fingerprintOf } from '../../../../src/shared/intake/fingerprint.ts'

const examples = z
  .array(
    z.strictObject({
      what: z.string(),
      spec: z.strictObject({
        model: z.string(),
        prompt: z.string(),
        parameters: z.looseObject({}),
        extra: z.record(z.string(), z.unknown()).optional(),
      }),
      canonical: z.string(),
      fingerprint: z.string(),
    }),
  )
  .parse(JSON.parse(readFileSync(new URL('../../../fixtures/fingerprints.json', import.meta.url), 'utf8')))

// Version 1 never changes: a shop's second run would pay for every image again.
it.each(examples)('the fingerprint of $what is what it has always been', ({ spec, canonical, fingerprint }) => {
  expect(fingerprintOf(spec)).toBe(fingerprint)
  expect(createHash('sha256').update(canonical).digest('hex')).toBe(fingerprint)
})

it('differs for everything that decides about the image, and for nothing else', () => {
  const spec = { model: 'a/b', prompt: 'x', parameters: { seed: 1 } }
  const others = [
    { ...spec, model: 'a/B' },
    { ...spec, prompt: 'x ' },
    { ...spec, parameters: {} },
    { ...spec, parameters: { seed: 2 } },
    { ...spec, parameters: { seed: 1, width: 1024 } },
    { ...spec, extra: { a: null } },
  ]
  const all = [spec, ...others].map((one) => fingerprintOf(one))
  expect(new Set(all).size).toBe(7)
  expect(fingerprintOf({ ...spec, parameters: { response_format: 'b64_json', seed: 1 } })).toBe(fingerprintOf(spec))
  expect(fingerprintOf({ ...spec, extra: {} })).toBe(fingerprintOf(spec))
})
