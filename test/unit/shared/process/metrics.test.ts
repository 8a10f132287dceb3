import { expect, it } from 'vitest'
import { openMetrics } from '../../../../src/shared/process/metrics.ts'

it('counts in a registry of its own, every name with the prefix', async () => {
  const [one, other] = [openMetrics(), openMetrics()]
  one.httpRequest({ method: 'GET', route: '/v1/batches', status: 200, durationMs: 12 })
  one.itemSettled('succeeded')
  one.itemSettled('succeeded')
  one.providerCall('ok', 800)
  one.providerCall('throttled', 5)
  one.slot('taken', 'bulk')
  one.deliveryAttempt('delivered', 40)
  one.lane('provider', 'closed')
  one.backlog('standard', 7)
  one.itemsInWork(3)
  one.paid(3_000_000)
  const { text, contentType } = await one.page()
  const samples = text.split('\n')
  expect(contentType).toMatch(/^text\/plain/)
  expect(samples).toEqual(
    expect.arrayContaining([
      'cratework_http_request_duration_seconds_count{method="GET",route="/v1/batches",status="200"} 1',
      'cratework_items_settled_total{outcome="succeeded"} 2',
      'cratework_provider_call_duration_seconds_sum{result="ok"} 0.8',
      'cratework_provider_call_duration_seconds_count{result="throttled"} 1',
      'cratework_slots_total{what="taken",priority="bulk"} 1',
      'cratework_delivery_attempt_duration_seconds_count{outcome="delivered"} 1',
      'cratework_lane_open{lane="provider"} 0',
      'cratework_backlog_items{priority="standard"} 7',
      'cratework_items_in_work 3',
      'cratework_paid_usd_total 0.003',
    ]),
  )
  const names = samples.filter((line) => line !== '' && !line.startsWith('#'))
  expect(names.filter((line) => !line.startsWith('cratework_'))).toEqual([])
  expect((await other.page()).text).not.toContain('cratework_items_settled_total{outcome="succeeded"} 2')
})
