import type { Epoch } from './epoch.ts'
import { sweep, type SweepParts } from './sweep.ts'
import type { Config } from '../shared/config/config.ts'

export interface SweeperParts extends SweepParts {
  readonly config: Config
  readonly epoch: Epoch
  readonly process: string
}

export interface Sweeper {
  stop(): Promise<void>
}

/**
 * Runs the safety nets on a plain timer: the engine's own schedules would vanish with a FLUSHALL. A lease in Redis sees
 * to it that one worker at a time does the work; the check of the epoch is everybody's own.
 */
export function startSweeper(parts: SweeperParts): Sweeper {
  const { redis, keys, clock, config } = parts
  let running: Promise<void> | undefined

  async function pass(): Promise<void> {
    try {
      await parts.epoch.check()
      const leaseMs = Math.floor(config.worker.sweepIntervalMs * 0.9)
      if ((await redis.set(keys.lease('sweep'), parts.process, 'PX', leaseMs, 'NX')) === 'OK') await sweep(parts)
    } catch (error) {
      parts.log.warn({ err: error }, 'a sweep failed; the next one comes')
    }
  }
  const tick = (): void => {
    running ??= pass().finally(() => {
      running = undefined
    })
  }
  const cancel = clock.every(config.worker.sweepIntervalMs, tick)
  tick()
  return {
    async stop() {
      cancel()
      await running
    },
  }
}
