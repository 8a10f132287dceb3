import { parseArgs, type ParseArgsOptionsConfig } from 'node:util'

/** Reads the arguments of a command. Ends the process: with 0 and the usage for `--help`, with 2 for what is not known. */
export function readArguments<const Options extends ParseArgsOptionsConfig>(
  args: readonly string[],
  options: Options,
  usage: string,
) {
  if (args.includes('--help')) {
    process.stdout.write(usage)
    process.exit(0)
  }
  try {
    return parseArgs({ args: [...args], options }).values
  } catch (error) {
    process.stderr.write(`cratework: ${error instanceof Error ? error.message : String(error)}\n\n${usage}`)
    process.exit(2)
  }
}
