import { loadConfigFromEnvironment } from '../shared/config/load.ts'
import { openParts } from '../shared/parts/open.ts'
import { rebuild } from '../worker/rebuild.ts'
import { refuse } from './role.ts'

/** Exit code where Redis or S3 could not be reached. */
const unreachable = 3

/**
 * Holds Redis against the ledger now, as a worker does when it finds another Redis than it knew: batches that Redis lost
 * are brought back, older ones forward. Safe at any time, also beside running workers.
 */
export async function runRecover(): Promise<void> {
  const loaded = loadConfigFromEnvironment(['worker'], { RUNCRATE_API_KEY: 'not-used-by-recover' })
  if ('faults' in loaded) refuse(loaded.faults)
  await using parts = openParts(loaded.config, 'worker')
  try {
    const { live, created } = await rebuild(parts)
    process.stdout.write(`${String(live)} live in the ledger, ${String(created)} of them brought back into Redis\n`)
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error)
    process.stderr.write(`cratework: Redis or S3 could not be reached: ${why}\n`)
    process.exitCode = unreachable
  }
}
