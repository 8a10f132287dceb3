import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createBatch } from '../../../../src/shared/batch/create.ts'
import type { Store } from '../../../../src/shared/ledger/store.ts'
import { newKeys } from '../../../../src/shared/redis/keys.ts'
import { canStartCluster, slotOf, startCluster, type TestCluster } from '../../../support/cluster.ts'
import { freshEngine, newManifest } from '../../../support/engine.ts'
import { runEveryScript } from '../../../support/every-script.ts'
import { freshNames } from '../../../support/fresh-names.ts'
import { onLedger } from '../../../support/ledger-engine.ts'
import { openTestStore } from '../../../support/test-store.ts'

describe.skipIf(!(await canStartCluster()))('a Redis Cluster of three nodes', () => {
  let cluster: TestCluster
  let store: Store
  beforeAll(async () => {
    cluster = await startCluster()
    store = openTestStore((await freshNames(import.meta.filename)).bucket)
  })
  afterAll(async () => {
    await cluster[Symbol.asyncDispose]()
    store.close()
  })

  it('knows the slot of a key as the nodes do', async () => {
    const [node] = cluster.nodes
    for (const key of ['123456789', '{cw}:live', 'a{b}c', 'a{}c', 'x']) {
      expect([key, await node?.cluster('KEYSLOT', key)]).toEqual([key, slotOf(key)])
    }
  })

  it('runs each script of ours, all keys of a prefix lying in one slot', async () => {
    for (const from of cluster.nodes) {
      // The first prefix that this very node has the slot of.
      const { redis, keys } = await engineOn((key) => cluster.clientFor(key) === from)
      await runEveryScript(onLedger({ redis, keys }, store))
      const used = await redis.keys('*')
      expect(used.length).toBeGreaterThan(20)
      expect(new Set(used.map(slotOf))).toEqual(new Set([slotOf(keys.prefix)]))
    }
  })

  it('refuses a script of ours under a prefix without a hash tag: its keys would lie in many slots', async () => {
    const manifest = newManifest(3)
    const keys = newKeys('cw')
    const redis = cluster.clientFor(keys.batch(manifest.batch).live)
    await expect(createBatch(redis, keys, manifest)).rejects.toThrow('CROSSSLOT')
  })

  async function engineOn(fits: (key: string) => boolean): ReturnType<typeof freshEngine> {
    for (let tag = 0; ; tag += 1) {
      const prefix = `{t${String(tag)}}`
      if (!fits(prefix)) continue
      return await freshEngine(cluster.clientFor(prefix), prefix)
    }
  }
})
