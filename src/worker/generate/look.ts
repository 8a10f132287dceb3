import type { Overwrite } from '../../shared/contract/accepted.ts'
import type { OutputImage } from '../../shared/contract/result.ts'
import { parseUsd } from '../../shared/money/usd.ts'
import { endsInExt, stemOf } from '../../shared/intake/output-key.ts'
import { outputPath } from '../../shared/ledger/paths.ts'
import type { ObjectHead, Store } from '../../shared/ledger/store.ts'

/** What is wanted at an output key, and by whom. */
export interface Wanted {
  readonly tenant: string
  /** Below the tenant's folder; may end in `.{{ext}}`. */
  readonly key: string
  readonly item: string
  readonly fingerprint: string
  readonly overwrite: Overwrite
}

/** An object that stands at the key. */
export interface Standing {
  readonly path: string
  readonly head: ObjectHead
}

export type Look =
  /** The output is there already. `own`: this item made it, in whatever round, and its cost is known from it. */
  | { readonly kind: 'there'; readonly image: OutputImage; readonly own: boolean; readonly costNano: number }
  /** It is not; `standing` is what would be replaced. */
  | { readonly kind: 'missing'; readonly standing: Standing | undefined }

/**
 * Whether the output stands already: before every call, since an earlier one may have been paid for. One HEAD
 * where the key has its extension, else one LIST of the stem and a HEAD of what is found.
 */
export async function lookForOutput(store: Store, wanted: Wanted): Promise<Look> {
  const standing = await standingAt(store, wanted)
  const own = standing.find(({ head }) => head.metadata['item'] === wanted.item)
  const kept = own ?? standing.find(({ head }) => keeps(wanted, head))
  if (kept === undefined) return { kind: 'missing', standing: standing[0] }
  return {
    kind: 'there',
    image: imageOf(store, kept),
    own: own !== undefined,
    costNano: own === undefined ? 0 : costOf(own.head),
  }
}

function keeps(wanted: Wanted, head: ObjectHead): boolean {
  if (wanted.overwrite === 'never') return true
  return wanted.overwrite === 'changed' && head.metadata['fingerprint'] === wanted.fingerprint
}

async function standingAt(store: Store, { tenant, key }: Wanted): Promise<Standing[]> {
  const paths = endsInExt(key) ? await pathsOfStem(store, outputPath(tenant, stemOf(key))) : [outputPath(tenant, key)]
  const found: Standing[] = []
  for (const path of paths) {
    const head = await store.head(path)
    if (head !== undefined) found.push({ path, head })
  }
  return found
}

/** What `{{ext}}` can have become (docs/api.md). */
const imageExtensions = ['png', 'jpg', 'webp', 'avif'] as const

async function pathsOfStem(store: Store, stem: string): Promise<string[]> {
  const { keys } = await store.list(`${stem}.`, { limit: 100 })
  const wanted = new Set(imageExtensions.map((ext) => `${stem}.${ext}`))
  return keys.filter((key) => wanted.has(key))
}

/** Empty where the price was unknown. */
function costOf(head: ObjectHead): number {
  const text = head.metadata['cost-usd'] ?? ''
  return text === '' ? 0 : parseUsd(text)
}

function imageOf(store: Store, { path, head }: Standing): OutputImage {
  return {
    s3_key: store.fullKey(path),
    sha256: head.metadata['sha256'] ?? '',
    bytes: head.bytes,
    width: Number(head.metadata['width'] ?? 0),
    height: Number(head.metadata['height'] ?? 0),
    content_type: head.contentType,
    variants: [],
  }
}
