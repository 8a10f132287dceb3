import type { Clock } from '../../shared/process/clock.ts'
import { createAssets, type Assets } from './assets.ts'
import { createCalls, type Calls } from './calls.ts'
import { createFaults, type Faults } from './faults.ts'
import { createKeys, type Keys } from './keys.ts'
import { createLimits, type Limits } from './limits.ts'
import { defaultSettings, type Settings } from './settings.ts'
import { createTraffic, type Traffic } from './traffic.ts'

/** The parts of a running simulator. */
export interface Simulator {
  readonly clock: Clock
  settings: Settings
  readonly keys: Keys
  readonly limits: Limits
  readonly faults: Faults
  readonly calls: Calls
  readonly traffic: Traffic
  readonly assets: Assets
  /** Images that are being made, to be dropped when the simulator stops. */
  readonly underWay: Set<AbortController>
  /** Models by the time of their newest call, for cold starts. */
  readonly warmAtMs: Map<string, number>
}

export function createSimulator(clock: Clock, changed: Partial<Settings>): Simulator {
  const simulator: Simulator = {
    clock,
    settings: { ...defaultSettings, ...changed },
    keys: createKeys(),
    limits: createLimits(clock, () => simulator.settings),
    faults: createFaults(clock),
    calls: createCalls(clock),
    traffic: createTraffic(clock),
    assets: createAssets(clock),
    underWay: new Set(),
    warmAtMs: new Map(),
  }
  return simulator
}
