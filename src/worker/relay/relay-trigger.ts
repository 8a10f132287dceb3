import { trigger } from '../../shared/queues/enqueue.ts'
import type { Queues } from '../../shared/queues/open.ts'

/** Asks for the relay; at most one such asking at a time in this process, however many items are told of. */
export type RelayTrigger = () => void

export function newRelayTrigger(queues: Queues, onError: (error: Error) => void): RelayTrigger {
  let asking = false
  return () => {
    if (asking) return
    asking = true
    trigger(queues, { v: 1, kind: 'relay' })
      .catch(onError)
      .finally(() => {
        asking = false
      })
  }
}
