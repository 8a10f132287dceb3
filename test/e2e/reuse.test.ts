import { expect, inject, it } from 'vitest'
import { items, small } from '../support/catalog.ts'
import { startDeployment } from '../support/deployment.ts'
import { tellFigures } from '../support/figures.ts'
import { freshNames } from '../support/fresh-names.ts'

const count = 120
const output = { key: 'catalog/{{custom_id}}.{{ext}}' }

it('pays nothing for an unchanged catalog, and for seven changed prompts seven calls', async () => {
  const names = await freshNames(import.meta.filename)
  await using deployment = await startDeployment({
    redisUrl: inject('redisUrl'),
    s3: inject('s3'),
    ...names,
    workers: 2,
  })
  const run = async (list: object[]): Promise<{ counts: Record<string, number>; cost: string; id: string }> => {
    const { id } = await deployment.submit({ items: list, defaults: small, output })
    const batch = await deployment.ended(id, 60_000)
    return { counts: batch.request_counts, cost: batch.usage.cost_usd, id }
  }
  const first = await run(items(count))
  expect(first.counts).toMatchObject({ succeeded: count, reused: 0 })

  const second = await run(items(count))
  expect(second.counts).toMatchObject({ succeeded: 0, reused: count, completed: count })
  expect(Number(second.cost)).toBe(0)
  const afterSecond = (await deployment.calls()).total
  expect(afterSecond).toBe(count)
  const [line] = await deployment.results(second.id)
  expect(line).toMatchObject({ status: 'reused', attempts: 0 })
  expect(line?.response?.body.data[0]?.s3_key).toBe('images/default/catalog/sku-0.png')

  const changed = items(count).map((item, at) =>
    at % 17 === 0 && at < 7 * 17 ? { ...item, prompt: 'A red shoe' } : item,
  )
  const third = await run(changed)
  expect(third.counts).toMatchObject({ succeeded: 7, reused: count - 7 })
  const afterThird = (await deployment.calls()).total
  expect(afterThird).toBe(count + 7)
  tellFigures({
    items: count,
    'calls in the second, unchanged run': afterSecond - count,
    'reused in the second run': second.counts['reused'] ?? 0,
    'calls in the third, seven prompts changed': afterThird - afterSecond,
  })
}, 120_000)
