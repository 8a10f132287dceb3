import { batchTimeMs } from '../contract/ids.ts'

/** The layout of the ledger (design: "The two stores"). Keys are without `S3_PREFIX`. */

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

export function inputChunkPath(batch: string, attempt: string, chunk: number): string {
  return `batches/${batch}/input/${attempt}/${chunkName(chunk)}`
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
