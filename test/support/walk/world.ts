import type { Hold } from '../../../src/shared/batch/hold.ts'
import type { Known } from '../../../src/shared/batch/create.ts'
import type { ItemOutcome } from '../../../src/shared/contract/result.ts'
import type { Control } from '../../../src/shared/ledger/control.ts'
import type { Manifest } from '../../../src/shared/ledger/manifest.ts'
import type { Model } from '../batch-model.ts'
import type { LedgerEngine } from '../ledger-engine.ts'
import type { SeededRandom } from '../seeded-random.ts'

/** An attempt that runs, as its process knows it. */
export interface Attempt {
  readonly hold: Hold
  readonly manifest: Manifest
  phase: 'claimed' | 'calling' | 'answered' | 'stored'
  url: string | undefined
  costNano: number
  /** Its process' lease had run out at some time: others may have taken it for dead. */
  lapsed: boolean
}

/** What S3 would know of a batch. */
export interface Ledger {
  readonly manifest: Manifest
  control: Control
  readonly lines: Map<number, { status: ItemOutcome; attempts: number; cost_usd: string; round: number }>
  /** Usage at the end of the last round that ended, and how that one did. */
  ended: { round: number; status: string; spent: Known['spent'] } | undefined
}

/** Where a random walk has come to: what Redis must hold, and what is outside of Redis. */
export interface World {
  readonly engine: LedgerEngine
  readonly random: SeededRandom
  readonly expected: Model
  readonly ledgers: Map<string, Ledger>
  readonly running: Attempt[]
  /** Jobs on the queue, and the attempt that took each last: of one that stalled only the last may end it. */
  readonly jobs: Map<string, string>
  /** Objects in the bucket, by stem: which item of which batch made it, and at what cost. */
  readonly objects: Map<string, { readonly item: string; readonly costNano: number }>
  /** Each item's outcome of a round, as it was first seen. */
  readonly outcomes: Map<string, string>
  /** So much of everything happened. */
  readonly seen: Record<string, number>
  /** Two that run; one that dies comes back under another name. */
  processes: readonly [string, string]
  processesStarted: number
  pursesMade: number
}

export function newWorld(engine: LedgerEngine, random: SeededRandom): World {
  return {
    engine,
    random,
    expected: { batches: new Map(), claimed: new Map(), fences: new Map(), alive: new Set() },
    ledgers: new Map(),
    running: [],
    jobs: new Map(),
    objects: new Map(),
    outcomes: new Map(),
    seen: {},
    processes: ['p0', 'p1'],
    processesStarted: 2,
    pursesMade: 0,
  }
}

export const nowMs = 1_700_000_050_000
export const batchesAtOnce = 3
const sharedItems = 3

export function note({ seen }: World, what: string): void {
  seen[what] = (seen[what] ?? 0) + 1
}

/** Batches whose round has not ended, as the ledger has it. */
export function underWay({ ledgers }: World): string[] {
  return [...ledgers].flatMap(([id, { ended, control }]) => (ended?.round === control.round ? [] : [id]))
}

export function runs({ running }: World, attempt: string): boolean {
  return running.some(({ hold }) => hold.attempt === attempt)
}

export function end({ running }: World, one: Attempt): void {
  const at = running.indexOf(one)
  if (at >= 0) running.splice(at, 1)
}

type Job = Pick<Hold, 'batch' | 'index' | 'round'>

function jobOf({ batch, index, round }: Job): string {
  return `${batch} ${String(index)} ${String(round)}`
}

export function addJob({ jobs }: World, job: Job): void {
  if (!jobs.has(jobOf(job))) jobs.set(jobOf(job), '')
}

export function jobDone({ jobs }: World, hold: Hold): void {
  if (jobs.get(jobOf(hold)) === hold.attempt) jobs.delete(jobOf(hold))
}

/** Batches of one group write to the same keys with their first items. */
export function stemOf({ batch, attempt }: Manifest, index: number): string {
  return index < sharedItems ? `${attempt}/${String(index)}` : `${batch}/${String(index)}`
}

export function itemOf({ batch, index }: Hold): string {
  return `${batch}-${String(index)}`
}

export function closingOf(control: Control): 'cancelled' | 'expired' | undefined {
  if (control.cancelled_at_ms !== null) return 'cancelled'
  return control.expired_at_ms === null ? undefined : 'expired'
}

export function budgetOf({ manifest, control }: Pick<Ledger, 'manifest' | 'control'>): number | undefined {
  return (control.budget_nano === undefined ? manifest.options.budget_nano : control.budget_nano) ?? undefined
}
