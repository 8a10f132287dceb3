import { readLane } from '../../shared/lanes/lane.ts'
import type { Parts } from '../../shared/parts/open.ts'
import { readinessBody, type Readiness } from '../../shared/process/health.ts'
import type { Route } from '../route.ts'

/** The process runs and answers. */
export const livez: Route = {
  method: 'GET',
  path: '/livez',
  scope: undefined,
  handle: () => Promise.resolve({ status: 200, body: { status: 'ok' } }),
}

/** Redis and S3 answer. A closed lane is told and is no reason to send nobody here: batches are accepted all the same. */
export function readyz(parts: Parts, readiness: Readiness): Route {
  return {
    method: 'GET',
    path: '/readyz',
    scope: undefined,
    async handle() {
      const { ready, checks } = await readiness.read()
      const lanes = checks['redis'] === 'ok' ? await readLanes(parts) : null
      return { status: ready ? 200 : 503, body: { ...readinessBody(ready, checks), lanes } }
    },
  }
}

async function readLanes({ redis, keys }: Parts): Promise<object> {
  const [provider, storage] = await Promise.all([readLane(redis, keys, 'provider'), readLane(redis, keys, 'storage')])
  const said = (open: boolean): string => (open ? 'open' : 'closed')
  return { provider: said(provider.open), storage: said(storage.open) }
}
