import { z } from 'zod'
import { asFault, faultsOf, grouped, type Fault } from './fault.ts'
import { itemDefaults, sizeFaults } from './item.ts'
import { fields, metadata, notBuilt } from './json-object.ts'
import { priorities } from './priority.ts'
import { spokenText, text } from './text.ts'
import { usdAmount } from './usd.ts'

/** Most items in one batch. */
const itemsMax = 1_000_000

/** What a batch's own webhook may ask for; also what it gets where it names none. */
export const terminalEvents = ['batch.completed', 'batch.failed', 'batch.expired', 'batch.cancelled'] as const

/** What a batch's own webhook may ask for, beside the terminal events. */
const otherEvents = [
  'batch.in_progress',
  'batch.paused',
  'batch.resumed',
  'budget.threshold_reached',
  'item.succeeded',
  'item.failed',
] as const
const webhookEvents: readonly string[] = [...terminalEvents, ...otherEvents]

/** Planned, and told to nobody yet. */
const laterEvents: readonly string[] = [
  'batch.progress',
  'catalog.run_missed',
  'endpoint.disabled',
  'provider.lane_closed',
  'provider.lane_opened',
  'webhook.test',
]

const eventName = z.string().superRefine((name, context) => {
  if (webhookEvents.includes(name)) return
  const fault = laterEvents.includes(name)
    ? asFault('unsupported', 'is an event that webhooks are not sent for yet')
    : asFault('out_of_range', `must be one of ${webhookEvents.join(', ')}`)
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

const hourMs = 3_600_000
const windowsMs = { h: hourMs, d: 24 * hourMs }
const windowMsMax = 7 * windowsMs.d

/** `1h` to `7d`, in milliseconds. */
const completionWindow = z
  .string()
  .refine((span) => /^[1-9][0-9]{0,3}[hd]$/.test(span), asFault('invalid_format', 'must be hours or days, such as 24h'))
  .transform((span) => Number(span.slice(0, -1)) * windowsMs[span.endsWith('d') ? 'd' : 'h'])
  .refine((windowMs) => windowMs <= windowMsMax, asFault('out_of_range', 'must be at most 7d'))

const dryRun = z.boolean().refine((dry) => !dry, asFault('unsupported', 'is not supported yet'))

/** The options of a batch (docs/api.md, "Options"). What is not built yet comes first, so that it is what is named. */
const options = {
  input_file_id: notBuilt('input files'),
  endpoint: notBuilt('input files'),
  dry_run: dryRun.optional(),
  completion_window: completionWindow.optional(),
  budget_usd: usdAmount.optional(),
  on_invalid: z.enum(['reject', 'skip']).optional(),
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
export type BatchOptions = Omit<BatchRequest, 'items'>

/** Reads a JSON body of `POST /v1/batches`; items are not looked into. */
export function parseBatchRequest(body: unknown): { request: BatchRequest } | { faults: Fault[] } {
  const { value, faults } = parseWith(batchRequest, body)
  return value === undefined ? { faults } : { request: value }
}

const batchOptions = fields(options)

/** Reads the options of an upload whose body is items alone. */
export function parseBatchOptions(given: object): { options: BatchOptions } | { faults: Fault[] } {
  const { value, faults } = parseWith(batchOptions, given)
  return value === undefined ? { faults } : { options: value }
}

function parseWith<Value>(schema: z.ZodType<Value>, given: unknown): { value: Value | undefined; faults: Fault[] } {
  const parsed = schema.safeParse(given)
  const defaults: unknown = typeof given === 'object' && given !== null ? Reflect.get(given, 'defaults') : undefined
  const faults = [...(parsed.success ? [] : faultsOf(parsed.error, given)), ...sizeFaults(defaults, 'defaults.')]
  return { value: parsed.success && faults.length === 0 ? parsed.data : undefined, faults }
}

/** The same fault that a JSON body has for its list of items. */
export function itemsFault(count: number): Fault | undefined {
  if (count === 0) return { param: 'items', code: 'too_short', message: 'must have at least 1 entry' }
  if (count <= itemsMax) return undefined
  return { param: 'items', code: 'too_long', message: `must have at most ${grouped(itemsMax)} entries` }
}
