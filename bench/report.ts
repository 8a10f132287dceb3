import { mkdir, writeFile } from 'node:fs/promises'
import { availableParallelism, loadavg } from 'node:os'
import { join } from 'node:path'
import { median } from './median.ts'
import type { Round, Row, Sample } from './row.ts'

/** What a run found out, as its JSON file holds it. Times in milliseconds an image (or answer), rates a second. */
export interface Report {
  readonly v: 1
  readonly taken_at: string
  readonly node: string
  readonly platform: string
  readonly cores: number
  /** Of the whole machine over the last minute, at the end: well above 1 means that others ran too. */
  readonly load_average: number
  readonly rows: readonly RowReport[]
}

export interface RowReport {
  readonly name: string
  readonly about: string
  readonly against: string
  readonly unit: string
  readonly items: number
  /** Medians over the rounds. */
  readonly ours: Sample
  readonly bare: Sample
  /** Ours to the other, the median of the rounds' own ratios: CPU an image, and images a second. */
  readonly ratio: { readonly cpu: number; readonly perSecond: number }
  readonly rounds: readonly Round[]
}

export function reportOf(row: Row, items: number, rounds: readonly Round[]): RowReport {
  const { name, about, against, unit } = row
  const ratio = (of: (sample: Sample) => number): number =>
    rounded(median(rounds.map(({ ours, bare }) => of(ours) / of(bare))))
  return {
    name,
    about,
    against,
    unit,
    items,
    ours: middle(rounds.map(({ ours }) => ours)),
    bare: middle(rounds.map(({ bare }) => bare)),
    ratio: { cpu: ratio(({ cpuMs }) => cpuMs), perSecond: ratio(({ perSecond }) => perSecond) },
    rounds,
  }
}

function middle(samples: readonly Sample[]): Sample {
  const of = (value: (sample: Sample) => number): number => rounded(median(samples.map(value)))
  const names = Object.keys(samples[0]?.parts ?? {})
  return {
    cpuMs: of(({ cpuMs }) => cpuMs),
    perSecond: of(({ perSecond }) => perSecond),
    parts: Object.fromEntries(names.map((name) => [name, of(({ parts }) => parts[name] ?? 0)])),
  }
}

/** Three digits: more would claim what nobody measured. */
function rounded(value: number): number {
  return Number(value.toPrecision(3))
}

/** The table for people. */
export function tableOf({ rows, cores, load_average: load, node }: Report): string {
  const lines = rows.flatMap(({ name, about, against, unit, items, ours, bare, ratio, rounds }) => [
    `${name}: ${about}`,
    `  ${String(rounds.length)} rounds of ${String(items)}, medians`,
    '',
    line('', 'CPU ms', `${unit}s/s`, `whose CPU, ms ${unit === 'image' ? 'an' : 'an'} ${unit}`),
    line('Cratework', number(ours.cpuMs), number(ours.perSecond), partsOf(ours)),
    line(against, number(bare.cpuMs), number(bare.perSecond), partsOf(bare)),
    line('ratio', number(ratio.cpu), number(ratio.perSecond), ''),
    '',
  ])
  return [...lines, `Node ${node}, ${String(cores)} cores, load ${number(load)} in the last minute`, ''].join('\n')
}

function line(name: string, cpu: string, rate: string, parts: string): string {
  return `  ${name.padEnd(22)}${cpu.padStart(9)}${rate.padStart(12)}   ${parts}`.trimEnd()
}

function number(value: number): string {
  return String(rounded(value))
}

function partsOf({ parts }: Sample): string {
  return Object.entries(parts)
    .map(([name, ms]) => `${name} ${number(ms)}`)
    .join(', ')
}

/** The frame of a report: when, and on what kind of machine. Nothing that names the machine. */
export function newReport(rows: readonly RowReport[], takenAt: Date): Report {
  return {
    v: 1,
    taken_at: takenAt.toISOString(),
    node: process.versions.node,
    platform: `${process.platform}-${process.arch}`,
    cores: availableParallelism(),
    load_average: rounded(loadavg()[0] ?? 0),
    rows,
  }
}

/** Writes the report into the folder, under its time, and gives the path. */
export async function writeReport(folder: string, report: Report): Promise<string> {
  await mkdir(folder, { recursive: true })
  const path = join(folder, `${report.taken_at.replaceAll(/[:.]/g, '-')}.json`)
  await writeFile(path, `${JSON.stringify(report, null, 2)}\n`)
  return path
}
