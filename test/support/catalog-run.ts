import type { CatalogRun } from '../../src/dev/demo/run-catalog.ts'
import { newBatchObject } from '../../src/shared/batch/view.ts'
import type { BatchObject } from '../../src/shared/contract/batch-object.ts'
import type { ResultLine } from '../../src/shared/contract/result.ts'

/** A batch of two items that has ended, one made and one failed; counts as given. */
export function endedBatch(counts: Partial<BatchObject['request_counts']> = {}, calls = 1): BatchObject {
  const batch = newBatchObject({
    v: 1,
    batch: 'batch_01JAAAAAAAAAAAAAAAAAAAAAAA',
    tenant: 'default',
    attempt: 'a',
    body_hash: '',
    created_at_ms: Date.UTC(2026, 0, 2, 3, 4),
    options: {
      name: 'Two <products>',
      priority: 'standard',
      overwrite: 'changed',
      shared_keys: true,
      max_attempts: 8,
      webhook: null,
      metadata: {},
      cache_control: null,
      budget_nano: null,
      expires_at_ms: null,
    },
    total: 2,
    chunks: 1,
    warnings: [],
  })
  const none = { queued: 0, in_progress: 0, succeeded: 0, reused: 0, failed: 0, completed: 0 }
  return {
    ...batch,
    status: 'completed',
    request_counts: { ...batch.request_counts, ...none, ...counts },
    usage: { ...batch.usage, provider_calls: calls },
  }
}

export function madeLine(customId: string, over: Partial<ResultLine> = {}): ResultLine {
  const image = {
    s3_key: `images/default/catalog/${customId}.png`,
    sha256: '0'.repeat(64),
    bytes: 23_456,
    width: 1024,
    height: 768,
    content_type: 'image/png',
    variants: [],
  }
  const response = { status_code: 200 as const, request_id: 'r', body: { created: 1, data: [image] } }
  return {
    id: `item_${customId}`,
    custom_id: customId,
    status: 'succeeded',
    response,
    error: null,
    attempts: 1,
    cost_usd: '0.003',
    ...over,
  }
}

export function failedLine(customId: string, message: string): ResultLine {
  const error = { code: 'provider_error', message, retryable: true, provider_code: null, provider_status: 500 } as const
  return madeLine(customId, { status: 'failed', response: null, error, cost_usd: '0.00' })
}

export function catalogRun(over: Partial<CatalogRun> = {}): CatalogRun {
  const lines = [madeLine('watch'), madeLine('backpack')]
  const batch = endedBatch({ succeeded: 2, completed: 2 }, 2)
  return { batch, lines, imagesFolder: '/i', imagesSaved: 2, sheet: '/i/index.html', verified: true, ...over }
}
