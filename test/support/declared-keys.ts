import { randomBytes } from 'node:crypto'
import type { Redis } from '../../src/shared/redis/connect.ts'

/** A client under which a script of ours can touch nothing but the keys that it declares. */
export interface DeclaredOnly extends AsyncDisposable {
  readonly redis: Redis
  /** The texts of the scripts that ran. */
  readonly ran: ReadonlySet<string>
}

/**
 * Each script runs as a user who may touch exactly its declared keys: Redis checks what a script calls against its
 * user's key patterns, so an undeclared key fails with NOPERM (redis.io, "ACL"). All else runs as before.
 */
export async function declaredKeysOnly(redis: Redis): Promise<DeclaredOnly> {
  const [user, password] = [`t-${randomBytes(6).toString('hex')}`, randomBytes(12).toString('hex')]
  await redis.acl('SETUSER', user, 'reset', 'on', `>${password}`, '+@all')
  const scoped = redis.duplicate({ username: user, password })
  const ran = new Set<string>()
  let before: Promise<unknown> = Promise.resolve()

  async function run(text: string, keyCount: number, call: readonly (string | number | Buffer)[]): Promise<unknown> {
    ran.add(text)
    const keys = call.slice(0, keyCount).map((key) => `~${String(key)}`)
    await redis.acl('SETUSER', user, 'resetkeys', ...keys)
    return await scoped.eval(text, keyCount, ...call)
  }

  const proxy = new Proxy(redis, {
    get(target, name) {
      // Then it sends the text.
      if (name === 'evalsha') return () => Promise.reject(new Error('NOSCRIPT'))
      if (name === 'eval') {
        return (text: string, keyCount: number, ...call: (string | number | Buffer)[]): Promise<unknown> => {
          const running = before.then(() => run(text, keyCount, call))
          before = running.catch(() => undefined)
          return running
        }
      }
      const value: unknown = Reflect.get(target, name)
      return typeof value === 'function' ? (value.bind(target) as unknown) : value
    },
  })
  return {
    redis: proxy,
    ran,
    async [Symbol.asyncDispose]() {
      scoped.disconnect()
      await redis.acl('DELUSER', user)
    },
  }
}
