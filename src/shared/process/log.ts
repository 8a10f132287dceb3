import { createHash } from 'node:crypto'
import type { Writable } from 'node:stream'
import { pino } from 'pino'
import type { Logger } from 'pino'
import { build as prettyStream } from 'pino-pretty'
import type { Config } from '../config/config.ts'

/** The log of a process, or a child of it whose fields stand in each of its lines. */
export interface Log extends Record<Level, (first: string | object, message?: string) => void> {
  child(fields: object): Log
}

type Level = 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal'

/** Longest text of one field, in characters: a line stays readable and far below what log collectors take. */
const textMax = 2_000
const depthMax = 6
const entriesMax = 50

const secretName = /authorization|cookie|secret|key|password|token|signature|^body$/i
const promptName = /^(?:negative_)?prompt$/

/**
 * Opens the process's log, on standard output where no stream is given. Fields named like secrets (authorization,
 * cookies, anything with secret, key, password or token) never show, prompts show as a hash, and signatures are cut
 * from presigned URLs wherever they stand, messages and errors included. An S3 key is therefore logged as `path`.
 */
export function openLog(options: Config['log'], stream?: Writable): Log {
  const destination =
    options.format === 'pretty'
      ? prettyStream({ ignore: 'pid,hostname', sync: true, ...(stream === undefined ? {} : { destination: stream }) })
      : (stream ?? pino.destination({ fd: 1, sync: true }))
  // Its own serializers would print an error's message as it is.
  return scrubbing(pino({ level: options.level, serializers: { err: (value: unknown) => value } }, destination))
}

function scrubbing(logger: Logger): Log {
  const write =
    (level: Level) =>
    (first: string | object, message?: string): void => {
      if (!logger.isLevelEnabled(level)) return
      if (typeof first === 'string') logger[level](oneLine(scrubText(first)))
      else if (first instanceof Error)
        logger[level](scrubFields({ err: first }, 0), oneLine(scrubText(message ?? first.message)))
      else logger[level](scrubFields(first, 0), oneLine(scrubText(message ?? '')))
    }
  return {
    trace: write('trace'),
    debug: write('debug'),
    info: write('info'),
    warn: write('warn'),
    error: write('error'),
    fatal: write('fatal'),
    child: (fields) => scrubbing(logger.child(scrubFields(fields, 0))),
  }
}

function scrubFields(fields: object, depth: number): Record<string, unknown> {
  const entries = Object.entries(fields).slice(0, entriesMax)
  return Object.fromEntries(entries.map(([name, value]) => [name, scrubField(name, value, depth)]))
}

function scrubField(name: string, value: unknown, depth: number): unknown {
  if (value === undefined || value === null) return value
  if (secretName.test(name)) return '[redacted]'
  if (promptName.test(name) && typeof value === 'string') {
    return `sha256:${createHash('sha256').update(value).digest('hex').slice(0, 12)}`
  }
  return scrubValue(value, depth)
}

function scrubValue(value: unknown, depth: number): unknown {
  if (typeof value === 'string') return scrubText(value)
  if (typeof value !== 'object' || value === null) return value
  if (depth >= depthMax) return '[deeper]'
  if (value instanceof Error) return scrubError(value, depth)
  if (Buffer.isBuffer(value)) return `[${String(value.length)} bytes]`
  if (Array.isArray(value)) return value.slice(0, entriesMax).map((entry) => scrubValue(entry, depth + 1))
  return scrubFields(value, depth + 1)
}

function scrubError(error: Error, depth: number): Record<string, unknown> {
  return {
    type: error.name,
    message: scrubText(error.message),
    stack: scrubText(error.stack ?? ''),
    ...scrubFields(error, depth + 1),
    ...(error.cause === undefined ? {} : { cause: scrubValue(error.cause, depth + 1) }),
  }
}

/** Takes the query from presigned URLs, user and password from any URL, and the end from what is too long. */
function scrubText(text: string): string {
  // Bounded first and in every repetition: a log line must not cost more than its text is worth.
  const clean = text
    .slice(0, 5 * textMax)
    .replace(/\?[^\s"'<>]{0,200}X-Amz-[^\s"'<>]*/gi, '?[presigned]')
    .replace(/([a-z][a-z0-9+.-]{0,15}:\/\/)[^\s/"']{1,500}@/gi, '$1[redacted]@')
    .replace(/\b(bearer\s{1,5})[A-Za-z0-9._~+/=-]{8,}/gi, '$1[redacted]')
  return clean.length > textMax ? `${clean.slice(0, textMax)}... (${String(text.length)} characters)` : clean
}

/** A message with a line break could pass for two lines of the log. */
function oneLine(text: string): string {
  return text.replaceAll('\r', '\\r').replaceAll('\n', '\\n')
}
