import { z } from 'zod'

/** What `PUT /_sim/options` can change while the simulator runs. Names and meaning: `GET /_sim/options` shows them all. */
const settings = z.strictObject({
  /** Calls a minute for each key; 0: no limit and no rate headers. */
  rate_limit: z.int().min(0),
  window: z.enum(['fixed', 'sliding', 'bucket']),
  /** Whether a call that was refused for its rate counts too. */
  count_rejected: z.boolean(),
  /** How a 429 says when to come back. */
  retry_after: z.enum(['seconds', 'none', 'date', 'float', 'huge']),
  /** Calls at once for each key, beyond which the 429 carries none of our headers; 0: any number. */
  max_concurrent: z.int().min(0),
  /** Whether answers carry the rate headers. */
  headers: z.enum(['all', 'none']),
  /** By how much `X-RateLimit-Reset` is wrong. */
  reset_skew_s: z.number(),
  /** Multiplies the latency of the model; 0: none. */
  latency_scale: z.number().min(0),
  /** The latency of every call, in place of the model's. */
  latency_ms: z.number().min(0).nullable(),
  /** Added to the first call of a model after 5 idle minutes. */
  cold_start_s: z.number().min(0),
  /** In which form images are answered, whatever was asked for; `mixed`: by the request's digest. */
  form: z.enum(['asked', 'url', 'b64_json', 'data_uri', 'both', 'mixed']),
  url_ttl_s: z.number().min(0),
  /** Whether a client that hangs up while its image is made pays for it. */
  abort: z.enum(['pay', 'cancel']),
  /** False: each picture also holds the id of its call, so that no two are equal. */
  stable_bytes: z.boolean(),
  /** Weight added to each picture, in bytes. */
  pad_bytes: z.int().min(0).max(32_000_000),
})
export type Settings = z.infer<typeof settings>

export const settingsChange = settings.partial()

export const defaultSettings: Settings = {
  rate_limit: 600,
  window: 'fixed',
  count_rejected: false,
  retry_after: 'seconds',
  max_concurrent: 0,
  headers: 'all',
  reset_skew_s: 0,
  latency_scale: 1,
  latency_ms: null,
  cold_start_s: 0,
  form: 'asked',
  url_ttl_s: 600,
  abort: 'pay',
  stable_bytes: true,
  pad_bytes: 0,
}
