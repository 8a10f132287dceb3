import { describe, expect, it } from 'vitest'
import { eventually } from '../../../support/eventually.ts'
import { goodKey, schnell, startCaller } from './caller.ts'

interface Ledger {
  total: number
  paid: number
  by_fingerprint: Record<string, number>
  calls: { id: string; prompt: string; fingerprint: string; paid: boolean; aborted: boolean; status: number | null }[]
}

describe('the ledger of calls', () => {
  it('counts every call that reached generation, the paid ones, and how often each body was paid', async () => {
    const { call, control } = await startCaller()
    await call('A mug', { headers: { 'idempotency-key': 'abc' } })
    await call('A mug')
    await call({ model: schnell, prompt: 'A mug', seed: 5 })
    await call('A lamp [[sim:moderate_out]]')
    await call('A chair [[sim:500]]')
    const ledger: Ledger = (await control('GET', '/calls')).json()
    expect(ledger).toMatchObject({ total: 4, paid: 3, refused: 1, cost_usd: '0.009', bodies: 4, paid_twice: 1 })
    expect(Object.values(ledger.by_fingerprint).toSorted((a, b) => a - b)).toEqual([1, 2])
    expect(ledger.by_fingerprint[ledger.calls[0]?.fingerprint ?? '']).toBe(2)
    expect(ledger.calls.map(({ prompt, paid }) => [prompt, paid])).toEqual([
      ['A mug', true],
      ['A mug', true],
      ['A mug', true],
      ['A lamp [[sim:moderate_out]]', false],
    ])
    expect(ledger.calls[0]).toMatchObject({
      model: schnell,
      size: '1024x1024',
      status: 200,
      cost_usd: '0.003',
      idempotency_key: 'abc',
      fault: null,
    })
    expect(JSON.stringify(ledger)).not.toContain(goodKey)
  })

  it('can be asked for a part', async () => {
    const { call, control } = await startCaller()
    for (const prompt of ['A mug', 'A lamp [[sim:moderate_out]]', 'A chair [[sim:500]]']) await call(prompt)
    await call('A jar', { key: 'rc_live_another01' })
    const prompts = async (query: string) => {
      const ledger: Ledger = (await control('GET', `/calls?${query}`)).json()
      return ledger.calls.map(({ prompt }) => prompt.split(' ')[1])
    }
    expect(await prompts('')).toEqual(['mug', 'lamp', 'jar'])
    expect(await prompts('all=true')).toEqual(['mug', 'lamp', 'chair', 'jar'])
    expect(await prompts('paid=true')).toEqual(['mug', 'jar'])
    expect(await prompts('paid=false')).toEqual(['lamp'])
    expect(await prompts('key=rc_live_another01')).toEqual(['jar'])
    expect(await prompts('after=call_0000000002')).toEqual(['jar'])
    expect(await prompts('limit=1')).toEqual(['mug'])
    expect((await control('GET', '/calls?status=200')).status).toBe(422)
  })

  it('can be emptied', async () => {
    const { call, control } = await startCaller()
    await call('A mug')
    await control('DELETE', '/calls')
    expect((await control('GET', '/calls')).json()).toMatchObject({ total: 0, paid: 0, by_fingerprint: {}, calls: [] })
    await call('A mug')
    expect((await control('GET', '/stats')).json()).toMatchObject({ paid: 1, paid_twice: 0 })
  })

  it('books a client that hangs up while its image is made, and lets it pay', async () => {
    const { call, control } = await startCaller({ latencyMs: 150 })
    const patience = new AbortController()
    const reply = call('A mug', { signal: patience.signal })
    await eventually(async () => ((await control('GET', '/calls')).json() as Ledger).total === 1, { what: 'the call' })
    patience.abort()
    await expect(reply).rejects.toThrow('aborted')
    await eventually(async () => ((await control('GET', '/calls')).json() as Ledger).paid === 1, {
      what: 'the payment',
    })
    expect((await control('GET', '/calls')).json()).toMatchObject({ calls: [{ aborted: true, status: null }] })
  })

  it('lets it go unpaid where the options say so', async () => {
    const { call, control } = await startCaller({ latencyMs: 60_000, settings: { abort: 'cancel' } })
    const patience = new AbortController()
    const reply = call('A mug', { signal: patience.signal })
    await eventually(async () => ((await control('GET', '/calls')).json() as Ledger).total === 1, { what: 'the call' })
    patience.abort()
    await expect(reply).rejects.toThrow('aborted')
    await eventually(async () => ((await control('GET', '/calls')).json() as Ledger).calls[0]?.aborted, {
      what: 'the end',
    })
    expect((await control('GET', '/calls')).json()).toMatchObject({ total: 1, paid: 0, calls: [{ paid: false }] })
  })
})
