import { describe, expect, it } from 'vitest'
import { isGood, nextSteps, opening, summary } from '../../../../src/dev/demo/words.ts'
import { catalogRun, endedBatch, failedLine, madeLine } from '../../../support/catalog-run.ts'

const money = (run: ReturnType<typeof catalogRun>, simulated: boolean) =>
  summary(run, simulated, String)
    .split('\n')
    .find((line) => /calls?|there already/.test(line))

describe('what the demo says', () => {
  it('first is who makes the images and what they cost', () => {
    expect(opening(undefined)).toContain('the simulator makes the images: nothing is paid')
    expect(opening('https://api.runcrate.ai/v1')).toContain('so api.runcrate.ai makes the images')
    expect(opening('https://api.runcrate.ai/v1')).toContain('0.015 dollars for 5.')
  })

  it('of the money is what was paid, and that nothing was', () => {
    expect(money(catalogRun(), true)).toBe("2 calls, 0.006 dollars by the simulator's price list; nothing was paid.")
    expect(money(catalogRun(), false)).toBe('2 calls, 0.006 dollars paid.')
    const reused = ['watch', 'backpack'].map((id) => madeLine(id, { status: 'reused', cost_usd: '0.00' }))
    const again = catalogRun({ batch: endedBatch({ reused: 2, completed: 2 }, 0), lines: reused })
    expect(money(again, false)).toBe('All 2 were there already: reused, no call made, nothing paid.')
    const called = catalogRun({ batch: endedBatch({ reused: 2, completed: 2 }, 1), lines: reused })
    expect(money(called, false)).toBe('1 call, 0.00 dollars paid.')
  })

  it('of failures is which and why', () => {
    const lines = [madeLine('watch'), failedLine('hat', 'the provider broke')]
    const batch = endedBatch({ succeeded: 1, completed: 1, failed: 1 })
    expect(summary(catalogRun({ batch, lines }), true, String)).toContain(
      'hat failed: provider_error, the provider broke',
    )
  })

  it('shows no key that the environment holds', () => {
    const place = { url: 'http://127.0.0.1:1', webhookUrl: 'http://127.0.0.1:2/', simulated: false }
    const steps = nextSteps({ ...place, authorization: '"Authorization: Bearer $CRATEWORK_API_KEY"' }, 'batch_1')
    expect(steps).toContain('curl -s http://127.0.0.1:1/v1/batches -H "Authorization: Bearer $CRATEWORK_API_KEY" -H')
    expect(steps).toContain('(0.003 dollars)')
  })
})

describe('a run is good', () => {
  it('where every image is there and its webhook was verified, and only then', () => {
    expect(isGood(catalogRun())).toBe(true)
    expect(isGood(catalogRun({ verified: false }))).toBe(false)
    expect(isGood(catalogRun({ imagesSaved: 1 }))).toBe(false)
    expect(isGood(catalogRun({ batch: endedBatch({ succeeded: 1, completed: 1, failed: 1 }) }))).toBe(false)
    expect(isGood(catalogRun({ lines: [madeLine('watch')] }))).toBe(false)
    expect(isGood(catalogRun({ batch: { ...endedBatch({ succeeded: 2, completed: 2 }), status: 'expired' } }))).toBe(
      false,
    )
  })
})
