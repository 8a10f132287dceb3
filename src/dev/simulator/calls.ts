import type { Clock } from '../../shared/process/clock.ts'
import { formatUsd } from '../../shared/money/usd.ts'
import { boundedMap } from './bounded-map.ts'
import { keyHash } from './keys.ts'
import type { GenerationRequest } from './request.ts'

/** One call, as `GET /_sim/calls` shows it. Changes until its answer is sent. */
export interface Call {
  readonly id: string
  readonly at_ms: number
  readonly key_hash: string | null
  readonly model: string | null
  /** At most 300 characters of it. */
  readonly prompt: string | null
  seed: number | null
  readonly size: string | null
  readonly fingerprint: string | null
  /** Null while it runs, and where no status was ever sent. */
  status: number | null
  paid: boolean
  cost_usd: string
  fault: string | null
  readonly ignored: readonly string[]
  readonly noted: readonly string[]
  readonly idempotency_key: string | null
  /** The key was sent to the asset host. */
  leaked_key: boolean
  /** The client hung up before it had the answer. */
  aborted: boolean
  latency_ms: number | null
  asset_downloads: number
}

export interface CallQuery {
  readonly paid?: boolean | undefined
  /** A key, or its hash. */
  readonly key?: string | undefined
  /** Id of a call: only later ones. */
  readonly after?: string | undefined
  readonly limit?: number | undefined
  /** Also those that were refused before any image was begun. */
  readonly all?: boolean | undefined
}

export interface Calls {
  /** How often this body was seen before; counts this time. */
  see(fingerprint: string): number
  /** Keeps a call that was refused before any image was begun. */
  refused(key: string | undefined, request: GenerationRequest | undefined, more: Partial<Call>): Call
  /** Keeps a call whose image is being made. */
  begin(key: string, request: GenerationRequest, more: Partial<Call>): Call
  /** Books a call as paid. Gives how often its body was paid before. */
  pay(call: Call, costNano: number): number
  /**
   * `total` counts the calls that reached generation, of which `paid` were paid (the rest was withheld or cancelled);
   * `refused` those that were turned away before. `by_fingerprint` says how often each body was paid. `calls` lists what
   * `total` counts, with `all` also the refused. The newest 100,000 are listed, the counts are of all.
   */
  read(query: CallQuery): object
  /** Calls and cost of a key, for its bill. */
  bill(key: string): { requests: number; costNano: number }
  totals(): { total: number; paid: number; refused: number; cost_usd: string; bodies: number; paid_twice: number }
  clear(): void
}

const callsMax = 100_000
const refusedMax = 20_000
const bodiesMax = 1_000_000

export function createCalls(clock: Clock): Calls {
  const begun = boundedMap<Call>(callsMax)
  const refused = boundedMap<Call>(refusedMax)
  const bodies = boundedMap<{ seen: number; paid: number }>(bodiesMax)
  const bills = boundedMap<{ requests: number; costNano: number }>(10_000)
  let last = 0
  let counts = { total: 0, paid: 0, refused: 0, costNano: 0, paidTwice: 0 }

  const newCall = (key: string | undefined, request: GenerationRequest | undefined, more: Partial<Call>): Call => {
    last += 1
    return {
      id: `call_${String(last).padStart(10, '0')}`,
      at_ms: clock.now(),
      key_hash: key === undefined ? null : keyHash(key),
      model: request?.model ?? null,
      prompt: request?.prompt.slice(0, 300) ?? null,
      seed: request?.seed ?? null,
      size: request === undefined ? null : `${String(request.size.width)}x${String(request.size.height)}`,
      fingerprint: request?.fingerprint ?? null,
      status: null,
      paid: false,
      cost_usd: '0.00',
      fault: null,
      ignored: request?.ignored ?? [],
      noted: request?.noted ?? [],
      idempotency_key: null,
      leaked_key: false,
      aborted: false,
      latency_ms: null,
      asset_downloads: 0,
      ...more,
    }
  }
  const bodyOf = (fingerprint: string) => {
    const known = bodies.get(fingerprint)
    if (known !== undefined) return known
    const fresh = { seen: 0, paid: 0 }
    bodies.set(fingerprint, fresh)
    return fresh
  }
  const totals = () => ({
    total: counts.total,
    paid: counts.paid,
    refused: counts.refused,
    cost_usd: formatUsd(counts.costNano),
    bodies: bodies.size,
    paid_twice: counts.paidTwice,
  })

  return {
    see(fingerprint) {
      const body = bodyOf(fingerprint)
      body.seen += 1
      return body.seen - 1
    },
    refused(key, request, more) {
      const call = newCall(key, request, more)
      refused.set(call.id, call)
      counts.refused += 1
      return call
    },
    begin(key, request, more) {
      const call = newCall(key, request, more)
      begun.set(call.id, call)
      counts.total += 1
      return call
    },
    pay(call, costNano) {
      call.paid = true
      call.cost_usd = formatUsd(costNano)
      counts.paid += 1
      counts.costNano += costNano
      const bill = bills.get(call.key_hash ?? '') ?? { requests: 0, costNano: 0 }
      bills.set(call.key_hash ?? '', { requests: bill.requests + 1, costNano: bill.costNano + costNano })
      const body = bodyOf(call.fingerprint ?? '')
      if (body.paid === 1) counts.paidTwice += 1
      body.paid += 1
      return body.paid - 1
    },
    read({ paid, key, after, limit, all }) {
      const kept = [...begun.values(), ...(all === true ? refused.values() : [])]
      if (all === true) kept.sort((a, b) => (a.id < b.id ? -1 : 1))
      const calls = kept.filter(
        (call) =>
          (paid === undefined || call.paid === paid) &&
          (after === undefined || call.id > after) &&
          (key === undefined || call.key_hash === key || call.key_hash === keyHash(key)),
      )
      const paidBodies = [...bodies.entries()].filter(([, body]) => body.paid > 0)
      return {
        ...totals(),
        by_fingerprint: Object.fromEntries(paidBodies.map(([fingerprint, body]) => [fingerprint, body.paid])),
        calls: limit === undefined ? calls : calls.slice(0, limit),
      }
    },
    bill: (key) => bills.get(keyHash(key)) ?? { requests: 0, costNano: 0 },
    totals,
    clear() {
      for (const map of [begun, refused, bodies, bills]) map.clear()
      counts = { total: 0, paid: 0, refused: 0, costNano: 0, paidTwice: 0 }
    },
  }
}
