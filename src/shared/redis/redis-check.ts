import type { Redis } from './connect.ts'

/**
 * What is wrong with this Redis, in one sentence, or undefined. Read from INFO, which works where CONFIG is forbidden.
 * Throws where Redis is away.
 */
export async function redisFault(redis: Redis): Promise<string | undefined> {
  const info = await redis.info()
  const field = (name: string): string => new RegExp(`^${name}:(.*?)\\r?$`, 'm').exec(info)?.[1] ?? ''
  const [major = 0, minor = 0] = field('redis_version').split('.').map(Number)
  if (major < 6 || (major === 6 && minor < 2)) {
    return `Redis ${field('redis_version')} is too old: 6.2 or newer is needed`
  }
  const policy = field('maxmemory_policy')
  // Any other policy lets Redis throw away jobs and claims when it is full.
  if (policy !== '' && policy !== 'noeviction') return `Redis must have maxmemory-policy noeviction, not ${policy}`
  return undefined
}
