import { systemClock } from '../../../src/shared/process/clock.ts'
import { startHeartbeat } from '../../../src/worker/heartbeat.ts'
import { beat, priceNano, runId } from '../engine.ts'
import * as model from '../fence-model.ts'
import { forgetAll } from '../redis-snapshot.ts'
import { inPhase } from './attempts.ts'
import { bringIntoRedis } from './batches.ts'
import { end, note, underWay, type World } from './world.ts'

/** What befalls processes and Redis. */

export async function lapse(world: World, process: string): Promise<void> {
  const { expected, running, engine } = world
  expected.alive.delete(process)
  for (const one of running) one.lapsed ||= one.hold.process === process
  await beat(engine, process, -1000)
}

/** A heartbeat after the lease was gone: the process lives, and puts back what it still holds. */
export async function live(world: World, process: string): Promise<void> {
  const { expected, running } = world
  const { redis, keys } = world.engine
  const wasGone = !expected.alive.has(process)
  expected.alive.add(process)
  const own = running.filter(({ hold }) => hold.process === process)
  const open = own.map(({ hold, phase, url: held }) => {
    const calling = phase === 'calling'
    return { hold, calling, reservedNano: calling ? priceNano : 0, url: held }
  })
  if (wasGone) for (const one of open) model.restoreFence(expected, one.hold, one)
  const attempts = { process, begin: never, end: never, runs: never, all: () => open }
  const clock = { ...systemClock, every: () => () => undefined }
  const listeners = redis.listeners('close')
  await startHeartbeat({ redis, keys, clock, attempts, lockMs: 600_000, places: () => 1, onError: never })
  // One beat, and no more: nobody listens for a cut on its behalf.
  for (const added of redis.listeners('close')) {
    if (!listeners.includes(added)) redis.off('close', added as () => void)
  }
}

export async function die(world: World): Promise<boolean> {
  const { random } = world
  const at = random.below(2)
  const gone = world.processes[at] as string
  await lapse(world, gone)
  for (const one of inPhase(world, 'claimed', 'calling', 'answered', 'stored'))
    if (one.hold.process === gone) end(world, one)
  world.processes = world.processes.with(at, `p${String(world.processesStarted)}`) as [string, string]
  world.processesStarted += 1
  await live(world, world.processes[at] as string)
  return true
}

/** A FLUSHALL, a rebuild, and the living say that they live: before the batches are back, or after. */
export async function loseEverything(world: World): Promise<boolean> {
  const { expected, jobs, outcomes, random, engine } = world
  const { redis, keys } = engine
  note(world, 'lost everything')
  await forgetAll(engine)
  await redis.hset(keys.epoch, 'run_id', runId, 'quiet_until_ms', 0)
  const living = [...expected.alive]
  expected.batches.clear()
  expected.claimed.clear()
  expected.fences.clear()
  expected.alive.clear()
  jobs.clear()
  outcomes.clear()
  const first = random.chance(0.5)
  if (first) for (const process of living) await live(world, process)
  for (const id of underWay(world)) await bringIntoRedis(world, id)
  if (!first) for (const process of living) await live(world, process)
  return true
}

function never(): never {
  throw new Error('nobody calls this here')
}
