import type { ResultLine } from '../../shared/contract/result.ts'
import { formatUsd, parseUsd } from '../../shared/money/usd.ts'

/** The results as a table for a terminal: a line an item, and the sum. */
export function resultsTable(lines: readonly ResultLine[]): string {
  const rows = lines.map((line) => {
    const image = line.response?.body.data[0]
    return [line.custom_id, line.status, image?.s3_key ?? '-', sizeOf(line), line.cost_usd ?? 'unknown']
  })
  const head = ['custom_id', 'status', 'S3 key', 'size', 'cost in USD']
  const sum = ['total', '', '', '', totalUsd(lines)]
  const widths = head.map((name, column) =>
    Math.max(...[head, ...rows, sum].map((row) => (row[column] ?? name).length)),
  )
  const text = (row: readonly string[]): string =>
    `  ${row.map((cell, column) => pad(cell, widths[column] ?? 0, column)).join('   ')}`.trimEnd()
  const rule = `  ${'-'.repeat(widths.reduce((all, width) => all + width, 3 * (widths.length - 1)))}`
  return [text(head), rule, ...rows.map(text), rule, text(sum)].join('\n')
}

/** What was paid for all of them that have a price. */
export function totalUsd(lines: readonly ResultLine[]): string {
  return formatUsd(lines.reduce((nano, { cost_usd: cost }) => nano + (cost === null ? 0 : parseUsd(cost)), 0))
}

/** `1024 x 1024, 23 kB`, or `-` where there is no image. */
export function sizeOf({ response }: ResultLine): string {
  const image = response?.body.data[0]
  if (image === undefined) return '-'
  return `${String(image.width)} x ${String(image.height)}, ${String(Math.ceil(image.bytes / 1000))} kB`
}

/** Money stands to the right, so that its points are below each other. */
function pad(cell: string, width: number, column: number): string {
  return column === 4 ? cell.padStart(width) : cell.padEnd(width)
}
