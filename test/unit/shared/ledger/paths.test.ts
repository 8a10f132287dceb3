import { expect, it } from 'vitest'
import {
  batchPath,
  inputChunkPath,
  listingPath,
  listingPrefix,
  markerPath,
  outputPath,
  resultChunkPath,
} from '../../../../src/shared/ledger/paths.ts'

const batch = 'batch_01HF7YAT00JRABT7A0XFJ5QV4E' // 1700000000000 ms

it('lays the ledger out as other versions of the program left it', () => {
  expect([
    markerPath(batch, 2),
    listingPath('default', batch),
    batchPath(batch, 'manifest.json'),
    inputChunkPath(batch, 'a1', 7),
    resultChunkPath(batch, 1999),
    outputPath('default', 'catalog/shoe.png'),
  ]).toEqual([
    'live/batch_01HF7YAT00JRABT7A0XFJ5QV4E.2',
    'index/default/8299999999999-batch_01HF7YAT00JRABT7A0XFJ5QV4E.json',
    'batches/batch_01HF7YAT00JRABT7A0XFJ5QV4E/manifest.json',
    'batches/batch_01HF7YAT00JRABT7A0XFJ5QV4E/input/a1/000007.jsonl',
    'batches/batch_01HF7YAT00JRABT7A0XFJ5QV4E/results/001999.jsonl',
    'images/default/catalog/shoe.png',
  ])
  expect(listingPath('default', batch).startsWith(listingPrefix('default'))).toBe(true)
})
