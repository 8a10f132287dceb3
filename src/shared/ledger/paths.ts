import { batchTimeMs } from '../contract/ids.ts'

/** The layout of the ledger (docs/architecture.md). Keys are without `S3_PREFIX`. */

export function markerPath(batch: string, round: number): string {
  return `live/${batch}.${String(round)}`
}

export const markersPrefix = 'live/'

export function listingPrefix(tenant: string): string {
  return `index/${tenant}/`
}

/** The time is inverted, so that byte order is newest first. It is the id's own time: the path follows from the id. */
export function listingPath(tenant: string, batch: string): string {
  const inverted = String(9_999_999_999_999 - batchTimeMs(batch)).padStart(13, '0')
  return `${listingPrefix(tenant)}${inverted}-${batch}.json`
}

export function batchPath(
  batch: string,
  file: 'manifest.json' | 'summary.json' | 'output.jsonl' | 'errors.jsonl',
): string {
  return `batches/${batch}/${file}`
}

export function controlPath(batch: string): string {
  return `batches/${batch}/control.json`
}

export function inputChunkPath(batch: string, attempt: string, chunk: number): string {
  return `${inputPrefix(batch, attempt)}${chunkName(chunk)}`
}

/** The input of one attempt, or of all. */
export function inputPrefix(batch: string, attempt?: string): string {
  return attempt === undefined ? `batches/${batch}/input/` : `batches/${batch}/input/${attempt}/`
}

export const idempotencyPrefix = 'idempotency/'

/** `hash` stands for the key, which may hold anything that is printable. */
export function idempotencyPath(tenant: string, hash: string): string {
  return `${idempotencyPrefix}${tenant}/${hash}.json`
}

export function resultChunkPath(batch: string, chunk: number): string {
  return `batches/${batch}/results/${chunkName(chunk)}`
}

function chunkName(chunk: number): string {
  return `${String(chunk).padStart(6, '0')}.jsonl`
}

/** Where an item's output lies; `key` is below the tenant's folder. */
export function outputPath(tenant: string, key: string): string {
  return `images/${tenant}/${key}`
}
