import { createHash } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { parseBatchRequest } from '../shared/contract/batch-request.ts'
import { parseNoQuery } from '../shared/contract/paging.ts'
import { invalidRequest } from '../shared/contract/problem.ts'
import { parseUploadQuery } from '../shared/contract/upload-query.ts'
import { readCsv } from '../shared/intake/csv.ts'
import { readNdjson } from '../shared/intake/ndjson.ts'
import { itemsOf, type RawItem } from '../shared/intake/raw-item.ts'
import type { Upload } from '../shared/intake/read-upload.ts'
import type { Clock } from '../shared/process/clock.ts'
import { bodyPieces, bodyType, emptyBody, jsonOf, type BodyLimits } from './body.ts'

const types = ['application/json', 'application/x-ndjson', 'text/csv'] as const

export interface UploadRequest {
  readonly tenant: string
  readonly key: string | undefined
  readonly query: URLSearchParams
  readonly request: IncomingMessage
}

/**
 * The batch that a request brings, in any of its three forms. Nothing of its body is read yet. Throws `ApiProblem` 415
 * for other forms, 400 for an empty body.
 */
export function openUpload({ tenant, key, query, request }: UploadRequest, clock: Clock, limits: BodyLimits): Upload {
  const type = bodyType(request, types)
  const hash = createHash('sha256').update(`${type}\n${sorted(query)}\n`)
  const bytesMax = type === 'application/json' ? limits.bytesMax : undefined
  let bytes = 0
  async function* hashed(): AsyncGenerator<Buffer> {
    for await (const piece of bodyPieces(request, clock, { bytesMax, idleMs: limits.idleMs })) {
      hash.update(piece)
      bytes += piece.length
      yield piece
    }
    if (bytes === 0) throw emptyBody()
  }
  const pieces = hashed()
  return {
    tenant,
    key,
    async open() {
      if (type === 'application/json') {
        const nothing = parseNoQuery(query)
        if ('faults' in nothing) throw invalidRequest(nothing.faults)
        const parsed = parseBatchRequest(await jsonOf(pieces))
        if ('faults' in parsed) throw invalidRequest(parsed.faults)
        const { items, ...options } = parsed.request
        return { options, items: inTurns(items, clock) }
      }
      const parsed = parseUploadQuery(query)
      if ('faults' in parsed) throw invalidRequest(parsed.faults)
      return { options: parsed.options, items: type === 'text/csv' ? readCsv(pieces) : readNdjson(pieces) }
    },
    async restHash() {
      while ((await pieces.next()).done !== true);
      return hash.digest('hex')
    },
  }
}

/** Parameters in another order say the same. */
function sorted(query: URLSearchParams): string {
  const copy = new URLSearchParams(query)
  copy.sort()
  return copy.toString()
}

/** Between a few items and the next, others' requests have their turn. */
async function* inTurns(items: readonly unknown[], clock: Clock): AsyncGenerator<readonly RawItem[]> {
  for (const few of itemsOf(items)) {
    yield few
    await clock.sleep(0)
  }
}
