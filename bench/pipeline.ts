import { randomBytes } from 'node:crypto'
import { z } from 'zod'
import type { pictures } from './pictures.ts'
import type { Round, Sample } from './row.ts'
import type { Part, Surroundings } from './surroundings.ts'

/** What is asked of the provider, and how it answers. */
export interface Task {
  readonly side: (typeof pictures)[number]['side']
  readonly form: 'url' | 'b64_json'
}

/** Longer than any round takes on a machine that does something. */
const endsWithinMs = 300_000
const ours: readonly Part[] = ['api', 'worker', 'redis']
const standIns: readonly Part[] = ['s3', 'provider']

const accepted = z.object({ id: z.string() })

/** One round of images from request to stored output, by our whole pipeline and by the bare loop. */
export async function pipelineRound(
  surroundings: Surroundings,
  task: Task,
  items: number,
  oursFirst: boolean,
): Promise<Round> {
  const byUs = async (): Promise<Sample> =>
    await measure(surroundings, ours, items, () => makeByUs(surroundings, task, items))
  const byLoop = async (): Promise<Sample> =>
    await measure(surroundings, ['bare'], items, () => makeByLoop(surroundings, task, items))
  if (oursFirst) return { ours: await byUs(), bare: await byLoop() }
  const bare = await byLoop()
  return { ours: await byUs(), bare }
}

async function measure(
  surroundings: Surroundings,
  contender: readonly Part[],
  items: number,
  make: () => Promise<void>,
): Promise<Sample> {
  const before = await surroundings.cpuMs()
  const startedMs = performance.now()
  await make()
  const wallMs = performance.now() - startedMs
  const after = await surroundings.cpuMs()
  await surroundings.removeImages()
  const perItem = (part: Part): number => (after[part] - before[part]) / items
  return {
    cpuMs: contender.reduce((sum, part) => sum + perItem(part), 0),
    perSecond: (items * 1000) / wallMs,
    parts: Object.fromEntries([...contender, ...standIns].map((part) => [part, perItem(part)])),
  }
}

/** As a client of ours: one batch, whose webhook says that it has ended. */
async function makeByUs({ submit, receiver }: Surroundings, { side, form }: Task, items: number): Promise<void> {
  const answer = await submit({
    defaults: { model: 'black-forest-labs/FLUX.1-schnell', width: side, height: side, response_format: form },
    items: Array.from({ length: items }, (_, at) => ({
      custom_id: `sku-${String(at)}`,
      prompt: `A shoe on white, no. ${String(at)}`,
    })),
    webhook: { url: receiver.url },
  })
  const { type, data } = await receiver.told(accepted.parse(answer).id, endsWithinMs)
  if (type !== 'batch.completed' || data.request_counts.succeeded !== items) {
    throw new Error(`${type} with ${JSON.stringify(data.request_counts)}, not ${String(items)} images`)
  }
}

async function makeByLoop(surroundings: Surroundings, { side, form }: Task, items: number): Promise<void> {
  const { baseUrl, endpoint, bucket } = surroundings
  const folder = `images/bare/${randomBytes(6).toString('hex')}`
  await surroundings.bare({ baseUrl, endpoint, bucket, folder, count: items, side, form })
}
