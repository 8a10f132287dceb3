import { acceptBatch } from '../../shared/intake/accept.ts'
import type { Parts } from '../../shared/parts/open.ts'
import { within } from '../../shared/process/deadline.ts'
import type { BodyLimits } from '../body.ts'
import { idempotencyKey } from '../idempotency-key.ts'
import type { Route } from '../route.ts'
import { openUpload } from '../upload.ts'

/** How long a Redis may take to say that it is there, before a whole upload is read for nothing. */
const pingDeadlineMs = 1_000

/** Takes a batch in, as JSON, NDJSON or CSV. */
export function submitBatch(parts: Parts, limits: BodyLimits): Route {
  return {
    method: 'POST',
    path: '/v1/batches',
    scope: 'submit',
    async handle({ tenant, request, query }) {
      const key = idempotencyKey(request)
      const upload = openUpload({ tenant, key, query, request }, parts.clock, limits)
      await within(parts.clock, pingDeadlineMs, parts.redis.ping())
      const { batch, answer, replayed } = await acceptBatch(parts, upload)
      const again = replayed ? { 'idempotent-replayed': 'true' } : {}
      return { status: 202, headers: { location: `/v1/batches/${batch}`, ...again }, body: answer }
    },
  }
}
