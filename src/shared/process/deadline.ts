import type { Clock } from './clock.ts'

/** Something took longer than it may. What it was goes on, unheard. */
export class DeadlinePassed extends Error {
  constructor(deadlineMs: number) {
    super(`no answer within ${String(deadlineMs)} ms`)
    this.name = 'DeadlinePassed'
  }
}

/** Gives what `work` gives; throws `DeadlinePassed` where that takes longer than `deadlineMs`. */
export async function within<T>(clock: Clock, deadlineMs: number, work: Promise<T>): Promise<T> {
  const timer = new AbortController()
  const late = clock.sleep(deadlineMs, timer.signal).then(() => {
    throw new DeadlinePassed(deadlineMs)
  })
  late.catch(() => undefined) // put off by the timer's end
  try {
    return await Promise.race([work, late])
  } finally {
    timer.abort()
  }
}
