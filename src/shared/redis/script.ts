import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import type { z } from 'zod'
import type { Redis } from './connect.ts'

interface ScriptSource<Key extends string, Arg extends string> {
  /** The `.lua` file beside its only caller. */
  readonly file: URL
  /** Lua files put in front of it. */
  readonly libraries?: readonly URL[]
  /** Names of the keys, in the order in which Lua gets them. */
  readonly keys: readonly Key[]
  /** Names of the arguments; numbers arrive as strings, as Redis has it. */
  readonly args: readonly Arg[]
}

interface ScriptDefinition<Key extends string, Arg extends string, Answer> extends ScriptSource<Key, Arg> {
  readonly answer: z.ZodType<Answer>
}

export type Script<Key extends string, Arg extends string, Answer> = (
  redis: Redis,
  keys: Readonly<Record<Key, string>>,
  args: Readonly<Record<Arg, string | number | Buffer>>,
  rest?: readonly (string | number | Buffer)[],
) => Promise<Answer>

/** What was defined by the modules that are loaded, in that order: for the test that checks every script. */
export const definedScripts: ScriptSource<string, string>[] = []

/**
 * Makes a Lua script callable by names. Keys and arguments get a `local` line each in front of the text, so their
 * order is stated once and Lua never says `KEYS[3]`. Arguments behind the named ones are in `ARGV` from `rest_from` on.
 */
export function defineScript<Key extends string, Arg extends string, Answer>(
  definition: ScriptDefinition<Key, Arg, Answer>,
): Script<Key, Arg, Answer> {
  definedScripts.push(definition)
  const text = scriptText(definition)
  const sha = createHash('sha1').update(text).digest('hex')
  return async (redis, keys, args, rest = []) => {
    const call = [
      ...definition.keys.map((name) => keys[name]),
      ...definition.args.map((name) => args[name]),
      ...rest,
    ] as const
    return definition.answer.parse(await run(redis, sha, text, definition.keys.length, call))
  }
}

/** The text that Redis runs; exported for the same test. */
export function scriptText(definition: ScriptSource<string, string>): string {
  const names = [
    ...definition.keys.map((name, at) => `local ${name} = KEYS[${String(at + 1)}]`),
    ...definition.args.map((name, at) => `local ${name} = ARGV[${String(at + 1)}]`),
    `local rest_from = ${String(definition.args.length + 1)}`,
  ]
  const sources = [...(definition.libraries ?? []), definition.file].map((url) => readFileSync(url, 'utf8'))
  return `${names.join('\n')}\n${sources.join('\n')}`
}

async function run(
  redis: Redis,
  sha: string,
  text: string,
  keyCount: number,
  call: readonly (string | number | Buffer)[],
): Promise<unknown> {
  try {
    return await redis.evalsha(sha, keyCount, ...call)
  } catch (error) {
    // Redis forgets its scripts when it restarts.
    if (!(error instanceof Error) || !error.message.startsWith('NOSCRIPT')) throw error
    return await redis.eval(text, keyCount, ...call)
  }
}
