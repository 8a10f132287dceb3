import { createHash } from 'node:crypto'
import type { OutputImage } from '../../shared/contract/result.ts'
import { endsInExt, stemOf } from '../../shared/intake/output-key.ts'
import { outputPath } from '../../shared/ledger/paths.ts'
import { StoreConflict, type Store } from '../../shared/ledger/store.ts'
import { formatUsd } from '../../shared/money/usd.ts'
import type { CheckedImage } from './check.ts'
import { lookForOutput, type Look, type Standing, type Wanted } from './look.ts'

export interface Output {
  readonly wanted: Wanted
  readonly batch: string
  readonly bytes: Buffer
  readonly checked: CheckedImage
  readonly cacheControl: string | null
  /** What the image cost; null where unknown. */
  readonly costNano: number | null
}

/**
 * Puts an image at its key, under the condition that the look found. Where somebody was quicker it looks again: what
 * this item or this fingerprint made stays, else exactly what was found is replaced.
 */
export async function storeOutput(
  store: Store,
  output: Output,
  standing: Standing | undefined,
): Promise<Look & { kind: 'there' }> {
  const { wanted, bytes, checked } = output
  const sha256 = createHash('sha256').update(bytes).digest()
  const path = pathOf(wanted, checked.ext)
  const image: OutputImage = {
    s3_key: store.fullKey(path),
    sha256: sha256.toString('hex'),
    bytes: bytes.length,
    width: checked.width,
    height: checked.height,
    content_type: checked.contentType,
    variants: [],
  }
  let replaced = standing
  for (;;) {
    try {
      await store.put(path, bytes, {
        condition: replaced?.path === path ? { etag: replaced.head.etag } : 'absent',
        contentType: checked.contentType,
        cacheControl: output.cacheControl ?? undefined,
        sha256,
        metadata: {
          fingerprint: wanted.fingerprint,
          batch: output.batch,
          item: wanted.item,
          sha256: image.sha256,
          width: String(checked.width),
          height: String(checked.height),
          'cost-usd': output.costNano === null ? '' : formatUsd(output.costNano),
        },
      })
      // The same key under another extension is the same output: one of them stays.
      if (replaced !== undefined && replaced.path !== path) await store.remove(replaced.path)
      return { kind: 'there', image, own: true, costNano: output.costNano ?? 0 }
    } catch (error) {
      if (!(error instanceof StoreConflict)) throw error
      const look = await lookForOutput(store, wanted)
      if (look.kind === 'there') return look
      replaced = look.standing
    }
  }
}

function pathOf({ tenant, key }: Wanted, ext: string): string {
  return outputPath(tenant, endsInExt(key) ? `${stemOf(key)}.${ext}` : key)
}
