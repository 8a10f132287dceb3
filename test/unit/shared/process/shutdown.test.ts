import { EventEmitter } from 'node:events'
import { describe, expect, it } from 'vitest'
import { systemClock, type Clock } from '../../../../src/shared/process/clock.ts'
import { openLog } from '../../../../src/shared/process/log.ts'
import { onShutdown } from '../../../../src/shared/process/shutdown.ts'

const parts = { clock: systemClock, log: openLog({ level: 'silent', format: 'json' }) }

function newSource() {
  const emitter = new EventEmitter()
  const exited = Promise.withResolvers<number>()
  const source = Object.assign(emitter, { exit: exited.resolve })
  return { source, exited: exited.promise, emitter }
}

describe('onShutdown', () => {
  it('stops on the first signal and exits 0 when that is through', async () => {
    const { source, exited, emitter } = newSource()
    const order: string[] = []
    onShutdown(parts, {
      graceMs: 5_000,
      source,
      stop: async () => {
        await systemClock.sleep(5)
        order.push('stopped')
      },
    })
    emitter.emit('SIGTERM')
    expect(await exited).toBe(0)
    expect(order).toEqual(['stopped'])
  })

  it('takes what comes within 500 ms of the first signal for the same, and ends at once on a later one', async () => {
    const { source, exited, emitter } = newSource()
    const codes: number[] = []
    void exited.then((code) => codes.push(code))
    let nowMs = 7_000
    const clock: Clock = { ...systemClock, monotonic: () => nowMs }
    onShutdown({ ...parts, clock }, { graceMs: 60_000, source, stop: () => new Promise(() => undefined) })
    emitter.emit('SIGTERM')
    emitter.emit('SIGTERM')
    nowMs += 499
    emitter.emit('SIGINT')
    await new Promise(setImmediate)
    expect(codes).toEqual([])
    nowMs += 1
    emitter.emit('SIGINT')
    expect(await exited).toBe(130)
  })

  it('exits 1 when stopping takes longer than the grace, or fails', async () => {
    const late = newSource()
    onShutdown(parts, { graceMs: 5, source: late.source, stop: () => new Promise(() => undefined) })
    late.emitter.emit('SIGTERM')
    expect(await late.exited).toBe(1)

    const failing = newSource()
    onShutdown(parts, { graceMs: 5_000, source: failing.source, stop: () => Promise.reject(new Error('x')) })
    failing.emitter.emit('SIGTERM')
    expect(await failing.exited).toBe(1)
  })

  it('lets go of the signals', () => {
    const { source, emitter } = newSource()
    onShutdown(parts, { graceMs: 5, source, stop: () => Promise.resolve() })()
    expect(emitter.listenerCount('SIGTERM') + emitter.listenerCount('SIGINT')).toBe(0)
  })
})
