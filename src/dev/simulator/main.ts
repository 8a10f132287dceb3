import { once } from 'node:events'
import { parseArgs } from 'node:util'
import { startSimulator } from './server.ts'

const usage = `usage: cratework simulator [--port N] [--host ADDRESS] [--rate-limit N] [--latency-ms N] [--latency-scale X] [--parent]

  --port N            port to listen on (default 0: a free one, named in the first line of output)
  --host ADDRESS      address to listen on (default 127.0.0.1)
  --rate-limit N      calls a minute for each key (default 600; 0: no limit)
  --latency-ms N      latency of every call (default: that of the model)
  --latency-scale X   multiplies the latency of the models (default 1)
  --parent            end when standard input closes, and so with the process that started this one
`

/**
 * Runs the simulator until SIGTERM, SIGINT or, with `--parent`, the end of standard input. Prints one line of JSON,
 * `{"baseUrl":"http://127.0.0.1:PORT/v1"}`, once it listens. Arguments that it does not understand and a port that cannot
 * be had make the process's exit code 2.
 */
export async function runSimulator(argv: readonly string[]): Promise<void> {
  try {
    const { values } = parseArgs({
      args: [...argv],
      options: {
        port: { type: 'string', default: '0' },
        host: { type: 'string' },
        'rate-limit': { type: 'string' },
        'latency-ms': { type: 'string' },
        'latency-scale': { type: 'string' },
        parent: { type: 'boolean', default: false },
        help: { type: 'boolean', default: false },
      },
    })
    if (values.help) {
      process.stdout.write(usage)
      return
    }
    await using simulator = await startSimulator({
      port: amount('--port', values.port) ?? 0,
      host: values.host,
      rateLimit: amount('--rate-limit', values['rate-limit']),
      latencyMs: amount('--latency-ms', values['latency-ms']),
      latencyScale: amount('--latency-scale', values['latency-scale']),
    })
    const ended = [once(process, 'SIGTERM'), once(process, 'SIGINT')]
    // A pipe closes, a file or /dev/null only ends.
    if (values.parent) ended.push(once(process.stdin.resume(), 'end'), once(process.stdin, 'close'))
    process.stdout.write(`${JSON.stringify({ baseUrl: simulator.baseUrl })}\n`)
    await Promise.race(ended)
    if (values.parent) process.stdin.destroy()
  } catch (error) {
    process.stderr.write(`simulator: ${error instanceof Error ? error.message : String(error)}\n`)
    process.exitCode = 2
  }
}

function amount(option: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  const value = Number(text)
  if (text.trim() === '' || !Number.isFinite(value) || value < 0)
    throw new Error(`${option} must be a number from 0 up`)
  if (option !== '--latency-scale' && !Number.isInteger(value)) throw new Error(`${option} must be a whole number`)
  return value
}

if (import.meta.main) await runSimulator(process.argv.slice(2))
