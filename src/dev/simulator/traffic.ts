import type { Clock } from '../../shared/process/clock.ts'

/** Counts what comes in over time: for "within the limit, and at least 97 % of it". */
export interface Traffic {
  /** A call that the limits let in; to be told when it ends. */
  enter(): void
  leave(): void
  /** A call that got a 429. */
  throttled(): void
  read(): {
    in_flight: number
    in_flight_max: number
    throttled: number
    /** Most calls let in within any sixty seconds (whole seconds). */
    busiest_minute: number
    /** `[unix second, let in, 429s]` of the last ten minutes. */
    per_second: [number, number, number][]
  }
  clear(): void
}

const secondsKept = 600

export function createTraffic(clock: Clock): Traffic {
  let seconds: [number, number, number][] = []
  let inFlight = 0
  let inFlightMax = 0
  let throttled = 0
  let busiest = 0

  const current = (): [number, number, number] => {
    const second = Math.floor(clock.now() / 1000)
    const newest = seconds.at(-1)
    if (newest?.[0] === second) return newest
    const fresh: [number, number, number] = [second, 0, 0]
    seconds.push(fresh)
    if (seconds.length > secondsKept) seconds.shift()
    return fresh
  }

  return {
    enter() {
      const now = current()
      now[1] += 1
      inFlight += 1
      inFlightMax = Math.max(inFlightMax, inFlight)
      let within = 0
      for (let at = seconds.length - 1; at >= 0; at--) {
        const [second, entered] = seconds[at] as [number, number, number]
        if (second <= now[0] - 60) break
        within += entered
      }
      busiest = Math.max(busiest, within)
    },
    leave() {
      inFlight -= 1
    },
    throttled() {
      current()[2] += 1
      throttled += 1
    },
    read: () => ({
      in_flight: inFlight,
      in_flight_max: inFlightMax,
      throttled,
      busiest_minute: busiest,
      per_second: seconds,
    }),
    clear() {
      seconds = []
      inFlightMax = inFlight
      throttled = 0
      busiest = 0
    },
  }
}
