import { appendFileSync } from 'node:fs'

/** Hands what a run came to on to `npm run accept`, which prints it at its end. In any other run nobody asks. */
export function tellFigures(figures: Readonly<Record<string, string | number>>): void {
  const file = process.env['CRATEWORK_TEST_FIGURES']
  if (file !== undefined) appendFileSync(file, `${JSON.stringify(figures)}\n`)
}

/** Seconds since then, a tenth of one exact. */
export function secondsSince(startedMs: number): number {
  return Math.round((performance.now() - startedMs) / 100) / 10
}
