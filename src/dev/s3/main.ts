import { parseArgs } from 'node:util'
import { systemClock } from '../../shared/process/clock.ts'
import { startS3 } from './server.ts'

// The embedded S3 as a process of its own: `main.ts --folder D --port P --bucket B [--bucket C] [--parent]`, with
// AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY. Prints {"endpoint":"http://127.0.0.1:P"} when it is ready; ends on
// SIGTERM or SIGINT, and with --parent when its stdin does, which is when the process that started it is gone.

const { values } = parseArgs({
  options: {
    folder: { type: 'string' },
    port: { type: 'string', default: '0' },
    bucket: { type: 'string', multiple: true, default: [] },
    parent: { type: 'boolean', default: false },
  },
})
const { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey } = process.env

if (values.folder === undefined || !accessKeyId || !secretAccessKey) {
  process.stderr.write('--folder, AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are needed\n')
  process.exitCode = 2
} else {
  const server = await startS3({
    folder: values.folder,
    port: Number(values.port),
    accessKeyId,
    secretAccessKey,
    buckets: values.bucket,
    clock: systemClock,
  })
  const stop = (): void => {
    void server.stop().then(() => {
      process.stdin.destroy()
    })
  }
  process.once('SIGTERM', stop)
  process.once('SIGINT', stop)
  if (values.parent) {
    process.stdin.resume()
    process.stdin.once('close', stop)
  }
  process.stdout.write(`${JSON.stringify({ endpoint: server.endpoint })}\n`)
}
