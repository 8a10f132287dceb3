import { describe, expect, it } from 'vitest'
import { newKeys } from '../../../../src/shared/redis/keys.ts'
import { queueNames } from '../../../../src/shared/queues/jobs.ts'

const keys = newKeys('{cw}')
const batch = keys.batch('batch_1')

/** Every key that there is, with such names as tenants and batches may have. */
const all = [
  keys.epoch,
  keys.events,
  keys.relayCursor,
  keys.beats,
  keys.workers,
  keys.rate,
  keys.batches,
  keys.undelivered,
  keys.unwritten,
  keys.lane('provider'),
  keys.lane('storage'),
  keys.lease('sweep'),
  keys.lease('rebuild'),
  keys.feedTenants('bulk'),
  keys.feedTenants('standard'),
  keys.feedBatches('bulk', 'default'),
  keys.feedBatches('standard', 'default'),
  keys.feedBatches('standard', 'standard'),
  keys.fence('default', 'shoe'),
  batch.live,
  batch.states,
  batch.tries,
  batch.settled,
  batch.unsealed,
  batch.outcomes(0),
  batch.outcomes(1),
  keys.batch('batch_2').live,
]

describe('keys', () => {
  it('are all different, and all in one slot of a Cluster', () => {
    expect(new Set(all).size).toBe(all.length)
    expect(all.filter((key) => !key.startsWith('{cw}:'))).toEqual([])
  })

  it('are never those of the engine’s queues, which share the prefix', () => {
    const queues = Object.values(queueNames).map((name) => `{cw}:${name}`)
    const taken = all.filter((key) => queues.some((queue) => key === queue || key.startsWith(`${queue}:`)))
    expect(taken).toEqual([])
  })

  it('of a fence tell tenants and stems apart', () => {
    const fences = [keys.fence('a', 'b/c'), keys.fence('a', 'b'), keys.fence('c', 'b'), keys.fence('a', 'b/C')]
    expect(new Set(fences).size).toBe(4)
    expect(keys.fence('a', 'b')).toBe(newKeys('{cw}').fence('a', 'b'))
  })
})
