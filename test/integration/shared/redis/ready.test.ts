import { connect as dial, createServer } from 'node:net'
import { describe, expect, inject, it } from 'vitest'
import { freePort } from '../../../../src/dev/ports.ts'
import { systemClock as clock } from '../../../../src/shared/process/clock.ts'
import { connect } from '../../../../src/shared/redis/connect.ts'
import { readyWithin } from '../../../../src/shared/redis/ready.ts'

describe('readyWithin', () => {
  it('goes on as soon as Redis is there, and at once where it is already', async () => {
    const port = await freePort()
    const redis = connect(`redis://127.0.0.1:${String(port)}`, 'api', () => undefined)
    const ready = readyWithin(redis, { clock, waitMs: 25_000 })
    await new Promise((resolve) => redis.once('reconnecting', resolve))
    const { hostname, port: realPort } = new URL(inject('redisUrl'))
    const late = createServer((near) => {
      const far = dial(Number(realPort), hostname)
      near.pipe(far).pipe(near)
      for (const socket of [near, far]) socket.on('error', () => undefined)
    })
    late.listen(port, '127.0.0.1')
    expect(await ready).toBe(true)
    expect(await readyWithin(redis, { clock, waitMs: 0 })).toBe(true)
    redis.disconnect()
    late.close()
  })

  it('goes on without Redis where it does not come', async () => {
    const redis = connect('redis://127.0.0.1:1', 'api', () => undefined)
    expect(await readyWithin(redis, { clock, waitMs: 20 })).toBe(false)
    expect(redis.listenerCount('ready')).toBe(0)
    redis.disconnect()
  })
})
