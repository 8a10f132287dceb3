export type BatchStatus =
  'validating' | 'in_progress' | 'finalizing' | 'completed' | 'failed' | 'expired' | 'cancelling' | 'cancelled'

/** How a batch can end. */
export const endStatuses: readonly BatchStatus[] = ['completed', 'failed', 'expired', 'cancelled']

export interface RequestCounts {
  total: number
  /** succeeded + reused */
  completed: number
  failed: number
  /** waiting, backing off */
  queued: number
  /** being called or stored */
  in_progress: number
  succeeded: number
  reused: number
  cancelled: number
  expired: number
}

export interface BlockedBy {
  reason:
    | 'rate_limited'
    | 'paused'
    | 'budget'
    | 'provider_down'
    | 'provider_auth'
    | 'storage_down'
    | 'recovering'
    | 'backlog'
    | 'no_workers'
  since: number
  next_attempt_at: number | null
  detail: string
}

/** `GET /v1/batches/{id}` (docs/api.md, "Read a batch"). Times are unix seconds. */
export interface BatchObject {
  id: string
  object: 'batch'
  endpoint: '/v1/images/generations'
  name: string | null
  status: BatchStatus
  paused_at: number | null
  has_errors: boolean
  request_counts: RequestCounts
  progress: { percent: number; rate_per_min: number; eta_at: number | null }
  blocked_by: BlockedBy | null
  usage: { images: number; provider_calls: number; cost_usd: string; indeterminate: number }
  budget: { limit_usd: string | null; reserved_usd: string; spent_usd: string }
  input_file_id: string | null
  output_file_id: string | null
  error_file_id: string | null
  errors: { data: unknown[]; total: number } | null
  warnings: unknown[]
  created_at: number
  in_progress_at: number | null
  finalizing_at: number | null
  completed_at: number | null
  failed_at: number | null
  expired_at: number | null
  cancelling_at: number | null
  cancelled_at: number | null
  expires_at: number | null
  metadata: Record<string, string>
}
