import { pathToFileURL } from 'node:url'
import type { BatchObject } from '../../shared/contract/batch-object.ts'
import { expectedUsd, model, products } from './products.ts'
import type { CatalogRun } from './run-catalog.ts'
import { resultsTable, totalUsd } from './table.ts'

/** What will happen, and what it will cost. `realUrl`: the provider that is paid; absent: the simulator. */
export function opening(realUrl: string | undefined): string {
  const cost = expectedUsd(products.length)
  const who =
    realUrl === undefined
      ? ['RUNCRATE_API_KEY is not set, so the simulator makes the images: nothing is paid.']
      : [
          `RUNCRATE_API_KEY is set, so ${new URL(realUrl).host} makes the images, and they are paid for:`,
          `${cost} dollars for ${String(products.length)}. One that is there already and unchanged costs nothing.`,
        ]
  return ['Cratework demo: five products in, five images in S3, a signed webhook at the end.', ...who, ''].join('\n')
}

/** What came of the catalog: the table, the money, the files. */
export function summary(run: CatalogRun, simulated: boolean, shown: (path: string) => string): string {
  const failures = run.lines.filter(({ error }) => error !== null)
  return [
    '',
    resultsTable(run.lines),
    '',
    paid(run, simulated),
    ...failures.map(({ custom_id: id, error }) => `${id} failed: ${error?.code ?? ''}, ${error?.message ?? ''}`),
    '',
    `  Images         ${shown(run.imagesFolder)} (${String(run.imagesSaved)} files)`,
    `  Contact sheet  ${pathToFileURL(run.sheet).href}`,
    '',
  ].join('\n')
}

function paid({ batch, lines }: CatalogRun, simulated: boolean): string {
  const { total, reused } = batch.request_counts
  const { provider_calls: calls, indeterminate } = batch.usage
  if (calls === 0 && reused === total)
    return `All ${String(total)} were there already: reused, no call made, nothing paid.`
  const made = `${calls === 1 ? '1 call' : `${String(calls)} calls`}, ${totalUsd(lines)} dollars`
  const unsure =
    indeterminate === 0 ? '' : ` (${String(indeterminate)} of them with an unknown end, which may cost more)`
  return simulated ? `${made} by the simulator's price list; nothing was paid.` : `${made} paid${unsure}.`
}

/** True where all of it went as it should. */
export function isGood({ batch, lines, imagesSaved, verified }: CatalogRun): boolean {
  const { total, completed } = batch.request_counts
  return (
    batch.status === 'completed' && completed === total && lines.length === total && imagesSaved === total && verified
  )
}

export interface Place {
  readonly url: string
  /** As a shell sees it: the key itself, or the variable that holds it. */
  readonly authorization: string
  readonly webhookUrl: string
  readonly simulated: boolean
}

/** What to try while it is up; each command line works as pasted. */
export function nextSteps(place: Place, batch: string): string {
  const { url, authorization, webhookUrl, simulated } = place
  // The prompt of the product page's curl example.
  const prompt =
    'A minimalist product photo of wireless earbuds on a marble surface, soft studio lighting, white background'
  const body = { items: [{ custom_id: 'earbuds', prompt, model, aspect_ratio: '1:1' }], webhook: { url: webhookUrl } }
  return [
    'It stays up. To try next, in another terminal: one more image, whose webhook is told here when it comes',
    `(${simulated ? 'nothing is paid' : `${expectedUsd(1)} dollars`}).`,
    '',
    `curl -s ${url}/v1/batches -H ${authorization} -H 'Content-Type: application/json' -d '${JSON.stringify(body)}'`,
    '',
    'The results of the catalog, with a link to each image:',
    '',
    resultsCommand(place, batch),
    '',
    'Ctrl-C stops everything. Run again, it reuses all five and pays nothing.',
    '',
  ].join('\n')
}

/** A webhook of a batch that somebody sent in while the demo is up. */
export function heard(place: Place, type: string, { id, request_counts: counts }: BatchObject): string {
  const ended = `${String(counts.completed)} of ${String(counts.total)} images there`
  return [
    `signed webhook ${type} received and verified: ${id}, ${ended}. Its results:`,
    resultsCommand(place, id),
    '',
  ].join('\n')
}

function resultsCommand({ url, authorization }: Place, batch: string): string {
  return `curl -s ${url}/v1/batches/${batch}/results -H ${authorization}`
}
