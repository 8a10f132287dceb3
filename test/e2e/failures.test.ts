import { expect, inject, it } from 'vitest'
import { small } from '../support/catalog.ts'
import { startDeployment } from '../support/deployment.ts'
import { freshNames } from '../support/fresh-names.ts'

/** A fault of the provider, as the simulator plays it, and what the item must come to. */
interface Case {
  readonly fault: string
  readonly status: 'succeeded' | 'failed'
  readonly code?: string
  /** Calls that were answered or may have been. */
  readonly attempts: number
  /** Calls that the provider charged, by its own record. */
  readonly paid: number
}

const cases: Case[] = [
  { fault: '', status: 'succeeded', attempts: 1, paid: 1 },
  { fault: '[[sim:429 x2]]', status: 'succeeded', attempts: 1, paid: 1 },
  { fault: '[[sim:500 x2]]', status: 'succeeded', attempts: 3, paid: 1 },
  { fault: '[[sim:502_html x1]]', status: 'succeeded', attempts: 2, paid: 1 },
  { fault: '[[sim:403_content]]', status: 'failed', code: 'content_moderated', attempts: 1, paid: 0 },
  { fault: '[[sim:moderate_in]]', status: 'failed', code: 'content_moderated', attempts: 1, paid: 0 },
  { fault: '[[sim:cut_after x1]]', status: 'succeeded', attempts: 2, paid: 2 },
  { fault: '[[sim:504_paid]]', status: 'failed', code: 'outcome_unknown', attempts: 2, paid: 2 },
  { fault: '[[sim:truncated_png x1]]', status: 'succeeded', attempts: 2, paid: 2 },
  { fault: '[[sim:html_200]]', status: 'failed', code: 'output_invalid', attempts: 2, paid: 2 },
  { fault: '[[sim:url_5xx_once]]', status: 'succeeded', attempts: 1, paid: 1 },
  { fault: '[[sim:url_private x1]]', status: 'succeeded', attempts: 2, paid: 2 },
  { fault: '[[sim:bad_base64 x1]]', status: 'succeeded', attempts: 2, paid: 2 },
]

it('brings every fault of the provider to its own end, pays as the classes say, and stores nothing bad', async () => {
  const names = await freshNames(import.meta.filename)
  await using deployment = await startDeployment({
    redisUrl: inject('redisUrl'),
    s3: inject('s3'),
    ...names,
    workers: 1,
  })
  const { id } = await deployment.submit({
    items: cases.map(({ fault }, at) => ({
      custom_id: `case-${String(at)}`,
      prompt: `A cup ${String(at)} ${fault}`,
      ...(fault.includes('base64') ? { response_format: 'b64_json' } : {}),
    })),
    defaults: small,
  })
  const batch = await deployment.ended(id, 100_000)
  const lines = await deployment.results(id)
  const { calls } = await deployment.calls()
  const seen = cases.map(({ fault }, at) => {
    const line = lines[at]
    const own = calls.filter(
      ({ prompt }) => prompt.startsWith(`A cup ${String(at)} `) || prompt === `A cup ${String(at)}`,
    )
    const code = line?.error?.code
    return {
      fault,
      status: line?.status,
      ...(code === undefined ? {} : { code }),
      attempts: line?.attempts,
      paid: own.filter(({ paid }) => paid).length,
    }
  })
  expect(seen).toEqual(cases)
  expect(batch.has_errors).toBe(true)
  expect(batch.request_counts.failed).toBe(cases.filter(({ status }) => status === 'failed').length)
  expect(batch.usage.provider_calls).toBe(cases.reduce((sum, { attempts }) => sum + attempts, 0))
  // Each line has exactly one of the two, and a link to bytes that are an image where it succeeded.
  for (const { response, error } of lines) expect(response === null).not.toBe(error === null)
  for (const { response } of lines) {
    if (response === null) continue
    const bytes = Buffer.from(await (await fetch(response.body.data[0]?.url ?? '')).arrayBuffer())
    expect(bytes.subarray(1, 4).toString()).toBe('PNG')
  }
}, 120_000)

it('calls nobody twice whose call may have been charged where RETRY_UNKNOWN is false', async () => {
  const names = await freshNames(import.meta.filename)
  await using deployment = await startDeployment({
    redisUrl: inject('redisUrl'),
    s3: inject('s3'),
    ...names,
    workers: 1,
    env: { RETRY_UNKNOWN: 'false' },
  })
  const { id } = await deployment.submit({
    items: [{ prompt: 'A cup [[sim:cut_after x1]]' }, { prompt: 'A plate' }],
    defaults: small,
  })
  const batch = await deployment.ended(id, 60_000)
  const [unknown, good] = await deployment.results(id)
  expect(unknown).toMatchObject({ status: 'failed', attempts: 1, error: { code: 'outcome_unknown', retryable: true } })
  expect(good).toMatchObject({ status: 'succeeded' })
  expect(batch.usage).toMatchObject({ images: 1, provider_calls: 2, indeterminate: 1 })
  expect((await deployment.calls()).paid).toBe(2)
}, 90_000)
