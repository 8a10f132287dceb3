import { z } from 'zod'
import { asFault, faultsOf, type Fault } from './fault.ts'
import { itemDefaults, sizeFaults } from './item.ts'
import { fields, metadata, notBuilt } from './json-object.ts'
import { priorities } from './priority.ts'
import { spokenText, text } from './text.ts'

/** Most items in one batch. */
const itemsMax = 1_000_000

/** What a batch's own webhook may ask for; also what it gets where it names none. */
export const terminalEvents = ['batch.completed', 'batch.failed', 'batch.expired', 'batch.cancelled'] as const

/** Planned, and told to nobody yet. */
const laterEvents: readonly string[] = [
  'batch.in_progress',
  'batch.progress',
  'batch.paused',
  'batch.resumed',
  'item.succeeded',
  'item.failed',
  'budget.threshold_reached',
  'catalog.run_missed',
  'endpoint.disabled',
  'provider.lane_closed',
  'provider.lane_opened',
  'webhook.test',
]

const eventName = z.string().superRefine((name, context) => {
  if ((terminalEvents as readonly string[]).includes(name)) return
  const fault = laterEvents.includes(name)
    ? asFault('unsupported', 'is an event that webhooks are not sent for yet')
    : asFault('out_of_range', `must be one of ${terminalEvents.join(', ')}`)
  context.addIssue({ code: 'custom', ...fault })
})

const webhook = fields({
  url: text(1, 2_048),
  events: z.array(eventName).min(1).max(64).optional(),
})

const otherFormats: readonly string[] = ['png', 'jpeg', 'webp', 'avif']

const output = fields({
  key: text(1, 2_000).optional(),
  overwrite: z.enum(['changed', 'always', 'never']).optional(),
  cache_control: text(1, 200)
    .refine((value) => /^[\x20-\x7e]+$/.test(value), asFault('invalid_format', 'must be printable ASCII'))
    .optional(),
  format: z
    .string()
    .superRefine((format, context) => {
      if (format === 'original') return
      const fault = otherFormats.includes(format)
        ? asFault('unsupported', 'other than original is not supported yet')
        : asFault('out_of_range', `must be one of original, ${otherFormats.join(', ')}`)
      context.addIssue({ code: 'custom', ...fault })
    })
    .optional(),
  variants: z
    .array(z.unknown())
    .refine((variants) => variants.length === 0, asFault('unsupported', 'are not supported yet'))
    .optional(),
})

const onInvalid = z
  .enum(['reject', 'skip'])
  .refine((way) => way === 'reject', asFault('unsupported', 'skip is not supported yet'))
const dryRun = z.boolean().refine((dry) => !dry, asFault('unsupported', 'is not supported yet'))

/** The options of a batch (docs/api.md, "Options"). What is not built yet comes first, so that it is what is named. */
const options = {
  input_file_id: notBuilt('input files'),
  endpoint: notBuilt('input files'),
  completion_window: notBuilt('a batch does not expire'),
  budget_usd: notBuilt('budgets'),
  on_invalid: onInvalid.optional(),
  dry_run: dryRun.optional(),
  name: spokenText(200).optional(),
  defaults: itemDefaults.optional(),
  template: spokenText(10_000).optional(),
  output: output.optional(),
  priority: z.enum(priorities).optional(),
  max_attempts: z.int().min(1).max(20).optional(),
  webhook: webhook.optional(),
  metadata: metadata.optional(),
}

const batchRequest = fields({ ...options, items: z.array(z.unknown()).min(1).max(itemsMax) })
export type BatchRequest = z.output<typeof batchRequest>

/** Reads a JSON body of `POST /v1/batches`; items are not looked into. */
export function parseBatchRequest(body: unknown): { request: BatchRequest } | { faults: Fault[] } {
  const parsed = batchRequest.safeParse(body)
  const defaults: unknown = typeof body === 'object' && body !== null ? Reflect.get(body, 'defaults') : undefined
  const faults = [...(parsed.success ? [] : faultsOf(parsed.error, body)), ...sizeFaults(defaults, 'defaults.')]
  return parsed.success && faults.length === 0 ? { request: parsed.data } : { faults }
}
