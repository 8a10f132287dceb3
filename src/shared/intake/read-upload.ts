import { newBatchObject } from '../batch/view.ts'
import type { AcceptedOptions } from '../contract/accepted.ts'
import type { BatchOptions } from '../contract/batch-request.ts'
import { faultEntry } from '../contract/fault.ts'
import { invalidRequest } from '../contract/problem.ts'
import type { Config } from '../config/config.ts'
import type { Manifest } from '../ledger/manifest.ts'
import type { Clock } from '../process/clock.ts'
import type { InputWriter, Place } from './input-writer.ts'
import { newItemReader, type ReadItems } from './item-reader.ts'
import { readOptions } from './options.ts'
import type { RawItem } from './raw-item.ts'

/** A batch on its way in. Nothing of its body is read before `open`, and no more than is asked for. */
export interface Upload {
  readonly tenant: string
  /** Its `Idempotency-Key`, if it has one. */
  readonly key: string | undefined
  /** Reads the options. Throws `ApiProblem`, as the items do. */
  open(): Promise<{ options: BatchOptions; items: AsyncIterable<readonly RawItem[]> }>
  /** Reads what is left of the body, and gives the SHA-256 in hex of the whole, decoded, with its type and query. */
  restHash(): Promise<string>
}

export interface ReadParts {
  readonly config: Pick<Config, 'publicUrl' | 'webhook' | 'worker'>
  readonly clock: Clock
}

/**
 * Reads an upload to its end, writing its input as chunks fill; gives the manifest that would commit it. Throws
 * `ApiProblem` where it is refused, `Failure` where S3 takes no more, and what `lost` was aborted with.
 */
export async function readUpload(
  { config, clock }: ReadParts,
  place: Place,
  input: InputWriter,
  upload: Upload,
  lost: AbortSignal | undefined,
): Promise<Manifest> {
  const { options, items } = await upload.open()
  const read = readOptions(config, place.batch, options)
  if ('faults' in read) throw invalidRequest(read.faults)
  const reader = newItemReader(read.rules, options.on_invalid ?? 'reject')
  for await (const few of items) {
    for (const raw of few) {
      const item = reader.read(raw)
      const room = item === undefined ? undefined : input.add(item)
      if (room !== undefined) await room
    }
    lost?.throwIfAborted()
  }
  const found = reader.end()
  const chunks = await input.end()
  const bodyHash = await upload.restHash()

  // Times count from here: an upload may take hours.
  const createdAtMs = clock.now()
  const { completion_window: windowMs } = options
  const unanswered: Omit<Manifest, 'answer'> = {
    v: 1,
    batch: place.batch,
    tenant: upload.tenant,
    attempt: place.attempt,
    body_hash: bodyHash,
    created_at_ms: createdAtMs,
    options: {
      ...read.accepted,
      shared_keys: read.accepted.shared_keys || found.anyOwnKey,
      expires_at_ms: windowMs === undefined ? null : createdAtMs + windowMs,
    } satisfies AcceptedOptions,
    total: found.total,
    chunks,
    warnings: [...found.warnings],
    ...errorsOf(found),
  }
  return { ...unanswered, answer: JSON.stringify(newBatchObject(unanswered)) }
}

function errorsOf({ errors }: ReadItems): Pick<Manifest, 'errors'> {
  return errors === undefined ? {} : { errors: { data: errors.data.map(faultEntry), total: errors.total } }
}
