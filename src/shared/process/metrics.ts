import { Counter, Gauge, Histogram, Registry, collectDefaultMetrics } from 'prom-client'
import type { Priority } from '../contract/priority.ts'
import type { ItemOutcome } from '../contract/result.ts'
import type { FailureClass } from '../failures/failure.ts'

/** What this process counts. Labels are short fixed words: never an id, a key or a prompt. Durations in milliseconds. */
export interface Metrics {
  /** An HTTP request of ours was answered; `route` is the pattern, not the path. */
  httpRequest(request: { method: string; route: string; status: number; durationMs: number }): void
  /** An item got its outcome of the round. */
  itemSettled(outcome: ItemOutcome): void
  /** A call of the provider ended: `ok`, or the class of its failure. */
  providerCall(result: 'ok' | FailureClass, durationMs: number): void
  /** A slot of the provider's rate was taken. */
  slot(what: 'taken', priority: Priority): void
  /** One attempt of a delivery ended; `given_up` beside `failed` where it was the last. */
  deliveryAttempt(outcome: 'delivered' | 'failed' | 'given_up', durationMs: number): void
  /** A lane as this process sees it. */
  lane(lane: 'provider' | 'storage', state: 'open' | 'closed'): void
  /** Items of a priority that are accepted and not settled. */
  backlog(priority: Priority, items: number): void
  /** Items that this process works on now. */
  itemsInWork(items: number): void
  /** Paid for by calls that ended well, by the catalogue's prices, in nano-dollars. */
  paid(costNano: number): void
  /** What `/metrics` answers, and its content type. */
  page(): Promise<{ text: string; contentType: string }>
}

const secondsBuckets = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120]
const prefix = 'cratework_'

/** A registry of its own for this process, with Node's own metrics (CPU, memory, event loop) in it. */
export function openMetrics(): Metrics {
  const registry = new Registry()
  collectDefaultMetrics({ register: registry, prefix })
  const own = { registers: [registry] }

  const requests = new Histogram({
    ...own,
    name: `${prefix}http_request_duration_seconds`,
    help: 'Time from the request’s headers to the end of the answer',
    labelNames: ['method', 'route', 'status'],
    buckets: secondsBuckets,
  })
  const settled = new Counter({
    ...own,
    name: `${prefix}items_settled_total`,
    help: 'Items that got their outcome',
    labelNames: ['outcome'],
  })
  const calls = new Histogram({
    ...own,
    name: `${prefix}provider_call_duration_seconds`,
    help: 'Calls of the provider, by what came of them',
    labelNames: ['result'],
    buckets: secondsBuckets,
  })
  const slots = new Counter({
    ...own,
    name: `${prefix}slots_total`,
    help: 'Slots of the provider’s rate that were taken',
    labelNames: ['what', 'priority'],
  })
  const deliveries = new Histogram({
    ...own,
    name: `${prefix}delivery_attempt_duration_seconds`,
    help: 'Attempts to deliver a webhook, by what came of them',
    labelNames: ['outcome'],
    buckets: secondsBuckets,
  })
  const lanes = new Gauge({
    ...own,
    name: `${prefix}lane_open`,
    help: '1 while the way to an outside service is open, 0 while it is closed',
    labelNames: ['lane'],
  })
  const waiting = new Gauge({
    ...own,
    name: `${prefix}backlog_items`,
    help: 'Items that are accepted and not settled',
    labelNames: ['priority'],
  })
  const inWork = new Gauge({ ...own, name: `${prefix}items_in_work`, help: 'Items that this process works on now' })
  const cost = new Counter({
    ...own,
    name: `${prefix}paid_usd_total`,
    help: 'Paid for images, by the catalogue’s prices',
  })

  return {
    httpRequest({ method, route, status, durationMs }) {
      requests.observe({ method, route, status: String(status) }, durationMs / 1000)
    },
    itemSettled(outcome) {
      settled.inc({ outcome })
    },
    providerCall(result, durationMs) {
      calls.observe({ result }, durationMs / 1000)
    },
    slot(what, priority) {
      slots.inc({ what, priority })
    },
    deliveryAttempt(outcome, durationMs) {
      deliveries.observe({ outcome }, durationMs / 1000)
    },
    lane(lane, state) {
      lanes.set({ lane }, state === 'open' ? 1 : 0)
    },
    backlog(priority, items) {
      waiting.set({ priority }, items)
    },
    itemsInWork(items) {
      inWork.set(items)
    },
    paid(costNano) {
      cost.inc(costNano / 1e9)
    },
    async page() {
      return { text: await registry.metrics(), contentType: registry.contentType }
    },
  }
}
