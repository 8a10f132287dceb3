import type { Engine } from './engine.ts'

/** What Redis holds under a prefix, key by key. */
export type Snapshot = ReadonlyMap<string, { readonly dump: Buffer; readonly ttlMs: number }>

/** Remembers all keys of the engine: what a Redis that comes back older has. */
export async function snapshot({ redis, keys }: Engine): Promise<Snapshot> {
  const found = new Map<string, { dump: Buffer; ttlMs: number }>()
  for (const key of await redis.keys(`${keys.prefix}:*`)) {
    const dump = await redis.dumpBuffer(key)
    if (dump !== null) found.set(key, { dump, ttlMs: Math.max(0, await redis.pttl(key)) })
  }
  return found
}

/** As a FLUSHALL would do, for the keys of this engine alone. */
export async function forgetAll({ redis, keys }: Engine): Promise<void> {
  const all = await redis.keys(`${keys.prefix}:*`)
  if (all.length > 0) await redis.del(...all)
}

/** Puts Redis back to what was remembered. */
export async function restoreAll(engine: Engine, older: Snapshot): Promise<void> {
  await forgetAll(engine)
  for (const [key, { dump, ttlMs }] of older) await engine.redis.restore(key, ttlMs, dump)
}
