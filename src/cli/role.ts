import { bucketFault } from '../shared/ledger/bucket-check.ts'
import { loadConfigFromEnvironment, type Environment } from '../shared/config/load.ts'
import { openParts, type Parts, type Role } from '../shared/parts/open.ts'
import { ListenFault } from '../shared/process/listen.ts'
import { onShutdown } from '../shared/process/shutdown.ts'
import { redisFault } from '../shared/redis/redis-check.ts'

/** Ends the process before it has begun: one line for each fault, exit code 2. */
export function refuse(faults: readonly string[]): never {
  for (const fault of faults) process.stderr.write(`cratework: ${fault}\n`)
  process.exit(2)
}

interface Running {
  stop(): Promise<void>
}

const awayAgainMs = 2000

/**
 * Runs one role until a signal ends it. What is wrong with the configuration or the surroundings ends it at once with
 * exit code 2; what is only away is waited for.
 */
export async function runRole(role: Role, overrides: Environment = {}): Promise<void> {
  const loaded = loadConfigFromEnvironment([role], overrides)
  if ('faults' in loaded) refuse(loaded.faults)
  const parts = openParts(loaded.config, role)
  for (const warning of loaded.warnings) parts.log.warn(warning)
  let running: Running
  try {
    running = await start(role, parts)
  } catch (error) {
    if (error instanceof ListenFault) refuse([error.message])
    throw error
  }
  onShutdown(parts, {
    graceMs: loaded.config.worker.shutdownGraceMs,
    stop: async () => {
      await running.stop()
      await parts.close()
    },
  })
  await checkSurroundings(parts)
}

async function start(role: Role, parts: Parts): Promise<Running> {
  if (role === 'worker') return await (await import('../worker/main.ts')).startWorker(parts)
  return await (await import('../api/main.ts')).startApi(parts)
}

/** Holds Redis and the bucket against what the product needs, as soon as each answers. */
async function checkSurroundings(parts: Parts): Promise<void> {
  await Promise.all([
    untilAnswered(parts, 'Redis', () => redisFault(parts.redis)),
    untilAnswered(parts, 'S3', () => bucketFault(parts.store, parts.random)),
  ])
}

async function untilAnswered(parts: Parts, what: string, check: () => Promise<string | undefined>): Promise<void> {
  for (let told = false; ; told = true) {
    try {
      const fault = await check()
      if (fault === undefined) return
      refuse([fault])
    } catch (error) {
      if (!told) parts.log.warn({ err: error }, `${what} does not answer yet; it is asked again`)
      await parts.clock.sleep(awayAgainMs)
    }
  }
}
