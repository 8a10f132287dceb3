import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { BatchObject, BatchStatus } from '../../shared/contract/batch-object.ts'
import type { ResultLine } from '../../shared/contract/result.ts'
import type { Clock } from '../../shared/process/clock.ts'
import { AnswerFault, type ApiClient } from './client.ts'
import { contactSheet } from './contact-sheet.ts'
import { catalogRequest } from './products.ts'
import type { Progress } from './progress.ts'
import { saveImages } from './save-images.ts'

export interface CatalogParts {
  readonly client: ApiClient
  readonly clock: Clock
  readonly progress: Progress
  readonly say: (line: string) => void
  readonly webhookUrl: string
  /** Whether the event of a batch's end has come and its signature verified. */
  readonly isVerified: (batch: string) => boolean
  readonly imagesFolder: string
  readonly simulated: boolean
  readonly signal: AbortSignal
}

export interface CatalogRun {
  /** As it ended. */
  readonly batch: BatchObject
  readonly lines: readonly ResultLine[]
  readonly imagesFolder: string
  readonly imagesSaved: number
  /** Path of the contact sheet. */
  readonly sheet: string
  readonly verified: boolean
}

const askEveryMs = 100
const webhookWithinMs = 20_000
/** Longer than a call may take. */
const stillMs = 180_000
/** A lane that is closed is tried again every 30 s at most. */
const refusedKeyMs = 40_000
const ends: readonly BatchStatus[] = ['completed', 'failed', 'expired', 'cancelled']

/** The catalog's way: submit, follow, hear the webhook, fetch the images. Throws where it comes to no end, or is aborted. */
export async function runCatalog(parts: CatalogParts): Promise<CatalogRun> {
  const { client, say, imagesFolder, simulated } = parts
  const { id } = await client.submit(catalogRequest(parts.webhookUrl))
  say(`POST /v1/batches: ${id} is accepted`)
  const batch = await followToEnd(parts, id)
  const verified = await hearWebhook(parts, id)
  say(
    verified
      ? `signed webhook batch.${batch.status} received and verified`
      : `no signed webhook came within ${String(webhookWithinMs / 1000)} s`,
  )
  const lines = await client.results(id)
  const files = await saveImages(client, imagesFolder, lines)
  const sheet = join(imagesFolder, 'index.html')
  await writeFile(sheet, contactSheet({ batch, lines, files, simulated }))
  return { batch, lines, imagesFolder, imagesSaved: files.size, sheet, verified }
}

async function followToEnd({ client, clock, progress, signal }: CatalogParts, id: string): Promise<BatchObject> {
  const startedMs = clock.monotonic()
  let changedMs = startedMs
  let counts = ''
  try {
    for (;;) {
      const batch = await client.batch(id).catch(passingFault)
      const now = clock.monotonic()
      if (batch !== undefined) {
        progress.update(batch, now - startedMs)
        if (ends.includes(batch.status)) return batch
        const seen = JSON.stringify(batch.request_counts)
        if (seen !== counts) changedMs = now
        counts = seen
      }
      const why = batch?.blocked_by
      if (now - changedMs > (why?.reason === 'provider_auth' ? refusedKeyMs : stillMs))
        throw new Error(`nothing moves: ${why?.detail ?? 'the log may say why'}`)
      await clock.sleep(askEveryMs, signal)
    }
  } finally {
    progress.end()
  }
}

/** 503 is an API whose Redis or S3 is away for a moment: it is asked again. */
function passingFault(error: unknown): undefined {
  if (error instanceof AnswerFault && error.status === 503) return undefined
  throw error
}

async function hearWebhook({ clock, isVerified, signal }: CatalogParts, id: string): Promise<boolean> {
  const deadline = clock.monotonic() + webhookWithinMs
  while (!isVerified(id)) {
    if (clock.monotonic() > deadline) return false
    await clock.sleep(50, signal)
  }
  return true
}
