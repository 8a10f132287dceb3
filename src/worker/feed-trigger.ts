import type { Priority } from '../shared/contract/priority.ts'
import { triggerFeed } from '../shared/queues/enqueue.ts'
import type { Queues } from '../shared/queues/open.ts'

/** Asks for a feed when a queue runs low; at most one such asking at a time for each priority in this process. */
export interface FeedTrigger {
  /** So many jobs are ready on that queue now. */
  ready(priority: Priority, jobs: number): void
  /** The window that the last feed worked with: half of it is low. */
  window(priority: Priority, jobs: number): void
}

export function newFeedTrigger(queues: Queues, onError: (error: Error) => void): FeedTrigger {
  const windows: Partial<Record<Priority, number>> = {}
  const asking = new Set<Priority>()
  return {
    window(priority, jobs) {
      windows[priority] = jobs
    },
    ready(priority, jobs) {
      if (asking.has(priority) || jobs * 2 > (windows[priority] ?? Infinity)) return
      asking.add(priority)
      triggerFeed(queues, priority)
        .catch(onError)
        .finally(() => {
          asking.delete(priority)
        })
    },
  }
}
