import type { Surroundings } from './surroundings.ts'

/** One contender in one round, an image or an operation. */
export interface Sample {
  /** CPU of all of the contender's processes, in milliseconds an image. */
  readonly cpuMs: number
  readonly perSecond: number
  /** Whose CPU that was, in milliseconds an image; the stand-ins too, which do not count. */
  readonly parts: Readonly<Record<string, number>>
}

/** Both contenders, one after the other. */
export interface Round {
  readonly ours: Sample
  readonly bare: Sample
}

/** A line of the table: something that we do, and what a person without us would do instead. */
export interface Row {
  readonly name: string
  /** What is done, in a sentence. */
  readonly about: string
  /** What ours is held against. */
  readonly against: string
  /** What is counted: `image`, `answer`. */
  readonly unit: string
  /** How many of these one contender does in one round, unless `--items` says otherwise. */
  readonly items: number
  /** One round. `oursFirst` alternates: whoever comes second finds a warmer machine. */
  readonly round: (surroundings: Surroundings, items: number, oursFirst: boolean) => Promise<Round>
}
