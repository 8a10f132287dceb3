import type { Tries } from '../../shared/batch/claim.ts'
import type { Hold } from '../../shared/batch/hold.ts'
import { itemId } from '../../shared/contract/ids.ts'
import { stemOf } from '../../shared/intake/output-key.ts'
import type { Store } from '../../shared/ledger/store.ts'
import type { Clock } from '../../shared/process/clock.ts'
import type { Log } from '../../shared/process/log.ts'
import type { Metrics } from '../../shared/process/metrics.ts'
import type { Random } from '../../shared/process/random.ts'
import type { GenerateJob } from '../../shared/queues/jobs.ts'
import type { Redis } from '../../shared/redis/connect.ts'
import type { Keys } from '../../shared/redis/keys.ts'
import type { Attempts, OpenAttempt } from '../attempts.ts'
import type { BatchWatch } from '../batch-watch.ts'
import type { Epoch } from '../epoch.ts'
import type { FeedTrigger } from '../feed-trigger.ts'
import type { Pace } from '../pace.ts'
import type { Provider } from '../provider/client.ts'
import type { Slots } from '../slots.ts'
import type { StorageGate } from '../storage-gate.ts'
import type { Policy } from './decide.ts'
import type { Wanted } from './look.ts'
import type { ReceiveParts } from './receive.ts'
import type { SettleStep } from './settle-step.ts'

export interface GenerateParts extends ReceiveParts {
  readonly redis: Redis
  readonly keys: Keys
  readonly store: Store
  readonly random: Random
  readonly clock: Clock
  readonly log: Log
  readonly metrics: Metrics
  readonly attempts: Attempts
  readonly epoch: Epoch
  readonly slots: Slots
  readonly storage: StorageGate
  readonly provider: Provider
  readonly pace: Pace
  readonly settle: SettleStep
  readonly feedTrigger: FeedTrigger
  readonly batchWatch: BatchWatch
  readonly retryUnknown: boolean
  /** Aborts when nothing new shall begin. */
  readonly stopping: AbortSignal
  /** Aborts when what is under way must end. */
  readonly deadline: AbortSignal
}

/** All that a step needs to know of the item at hand. */
export interface Work {
  readonly job: GenerateJob
  readonly item: string
  readonly attempt: OpenAttempt
  readonly wanted: Wanted
  readonly tries: Tries
  readonly policy: Policy
}

/** What the job asks for, as its attempt holds it. */
export function holdOf(job: GenerateJob): Omit<Hold, 'process' | 'attempt'> {
  const { tenant, batch, priority, round, item } = job
  return { tenant, batch, priority, round, index: item.index, stem: stemOf(item.key) }
}

/** What the job wants to stand at its output key. */
export function wantedOf(job: GenerateJob): Wanted {
  return {
    tenant: job.tenant,
    key: job.item.key,
    item: itemId(job.batch, job.item.index),
    fingerprint: job.item.fingerprint,
    overwrite: job.overwrite,
  }
}
