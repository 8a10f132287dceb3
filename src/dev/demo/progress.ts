import type { BatchObject } from '../../shared/contract/batch-object.ts'

/** Shows how far a batch is: one line that is drawn anew on a terminal, a line for each change elsewhere. */
export interface Progress {
  update(batch: BatchObject, elapsedMs: number): void
  /** Leaves the line as it stands. Nothing is drawn after it. */
  end(): void
}

/** The part of a terminal's or a file's stream that is used. */
export interface Screen {
  readonly isTTY?: boolean
  readonly columns?: number
  write(text: string): unknown
}

const eraseToEnd = '\u001b[K'
const barWidth = 30

export function newProgress(screen: Screen): Progress {
  let last = ''
  return {
    update(batch, elapsedMs) {
      if (screen.isTTY === true) {
        const line = `  ${bar(batch)}  ${words(batch)}  ${(elapsedMs / 1000).toFixed(1)} s`
        const { columns = 0 } = screen // 0: a terminal that does not know
        last = line.slice(0, (columns > 0 ? columns : 80) - 1)
        screen.write(`\r${last}${eraseToEnd}`)
        return
      }
      const line = `  ${words(batch)}`
      if (line !== last) screen.write(`${line}\n`)
      last = line
    },
    end() {
      if (screen.isTTY === true && last !== '') screen.write('\n')
    },
  }
}

/** Full for what is settled, half for what is being made. */
function bar(batch: BatchObject): string {
  const { total, in_progress: underWay } = batch.request_counts
  const full = Math.floor((barWidth * settled(batch)) / total)
  const half = Math.ceil((barWidth * underWay) / total)
  return `${'█'.repeat(full)}${'▒'.repeat(half)}`.slice(0, barWidth).padEnd(barWidth, '░')
}

/** In words: `3 of 5, 2 being made`, and why nothing moves where nothing does. */
function words(batch: BatchObject): string {
  const { total, in_progress: underWay, failed } = batch.request_counts
  const parts = [`${String(settled(batch))} of ${String(total)}`]
  if (underWay > 0) parts.push(`${String(underWay)} being made`)
  if (failed > 0) parts.push(`${String(failed)} failed`)
  if (batch.blocked_by !== null) parts.push(`waits: ${batch.blocked_by.detail}`)
  return parts.join(', ')
}

function settled({ request_counts: counts }: BatchObject): number {
  return counts.completed + counts.failed + counts.cancelled + counts.expired
}
