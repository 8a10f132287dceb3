import type { LogEntry } from '../contract/result.ts'

/** The entry as the scripts keep it: JSON without blanks. Empty where there is nothing to tell. */
export function logText(entry: LogEntry | undefined): string {
  return entry === undefined ? '' : JSON.stringify(entry)
}
