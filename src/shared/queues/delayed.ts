import type { Redis } from '../redis/connect.ts'
import type { QueueName } from './jobs.ts'

/**
 * When jobs that back off come again, in unix milliseconds; null for those that do not wait for a time. The engine keeps
 * delayed jobs in a sorted set under 4096 times the millisecond, plus a counter (BullMQ 6, `moveToDelayed`).
 */
export async function delayedUntilMs(
  redis: Redis,
  prefix: string,
  queue: QueueName,
  jobIds: readonly string[],
): Promise<(number | null)[]> {
  if (jobIds.length === 0) return []
  const scores = await redis.zmscore(`${prefix}:${queue}:delayed`, ...jobIds)
  return scores.map((score) => (score === null ? null : Math.floor(Number(score) / 4096)))
}
