import type { Priority } from './priority.ts'

/** Parameters of Runcrate's call beside model and prompt, as given: what is absent stays absent. */
export interface ImageParameters {
  aspect_ratio?: string
  width?: number
  height?: number
  seed?: number
  num_inference_steps?: number
  guidance?: number
  negative_prompt?: string
  response_format?: 'url' | 'b64_json'
}

/** An item after intake: what a generate job carries. */
export interface AcceptedItem {
  index: number
  custom_id: string
  model: string
  prompt: string
  parameters: ImageParameters
  /** Sent as given, beside the parameters. */
  extra?: Record<string, unknown>
  fingerprint: string
  /** Output key below `images/<tenant>/`; ends in `.{{ext}}` where the extension follows the stored bytes. */
  key: string
  /** Price of one image in nano-dollars; null where unknown. */
  price_nano: number | null
  metadata?: Record<string, string>
  invalid?: undefined
}

/** A line that was wrong at intake and is kept to be answered: it has failed, and is never called for. */
export interface InvalidItem {
  index: number
  custom_id: string
  /** What was wrong with it, for its result line. */
  invalid: { message: string }
  model?: undefined
  price_nano?: undefined
}

/** One line of an input chunk. */
export type InputItem = AcceptedItem | InvalidItem

export type Overwrite = 'changed' | 'always' | 'never'

/** A batch's options after intake, as the manifest keeps them. */
export interface AcceptedOptions {
  name: string | null
  priority: Priority
  overwrite: Overwrite
  /** True where keys do not hold the batch id, so that another batch may have made an item's output. */
  shared_keys: boolean
  /** Calls of one image that were answered or may have been. */
  max_attempts: number
  webhook: { url: string; events: string[] } | null
  metadata: Record<string, string>
  cache_control: string | null
  /** Most that the batch may cost, in nano-dollars; null: no limit. */
  budget_nano: number | null
  /** When what is not made by then expires, unix milliseconds; null: never. */
  expires_at_ms: number | null
}
