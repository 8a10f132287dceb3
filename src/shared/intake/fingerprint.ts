import { createHash } from 'node:crypto'
import canonicalize from 'canonicalize'
import type { ImageParameters } from '../contract/accepted.ts'

/** What of an item decides about its image. */
export interface Spec {
  readonly model: string
  readonly prompt: string
  readonly parameters: ImageParameters
  readonly extra?: Readonly<Record<string, unknown>> | undefined
}

/**
 * SHA-256 of the spec's canonical JSON (RFC 8785), in hex. Model and prompt as they are sent; parameters as given, absent
 * ones absent; `response_format` is left out, since it changes how an answer comes and not what it shows. What later
 * features add (inputs, more images, formats, variants) stands with its neutral value, so that version 1 never changes:
 * test/fixtures/fingerprints.json holds it.
 */
export function fingerprintOf({ model, prompt, parameters, extra }: Spec): string {
  const { response_format: _, ...given } = parameters
  const spec = {
    v: 1,
    model,
    prompt,
    parameters: given,
    inputs: {},
    n: 1,
    format: 'original',
    variants: [],
    extra: extra ?? {},
  }
  return createHash('sha256')
    .update(canonicalize(spec) ?? '')
    .digest('hex')
}
