import { randomBytes } from 'node:crypto'
import { parseObject, readImage, type AnsweredImage } from '../../src/worker/provider/answer.ts'
import { imageOfAnswer } from '../../src/worker/provider/scan-answer.ts'
import type { Row, Sample } from '../row.ts'

const imageBytes = 1_000_000
const body = Buffer.from(
  JSON.stringify({
    created: 1_700_000_000,
    data: [{ url: null, b64_json: randomBytes(imageBytes).toString('base64') }],
  }),
)

/** The one step in which an answer becomes an image, in this very process. */
export const scanAnswer: Row = {
  name: 'a 1 MB answer read',
  about: 'from the bytes of a base64 answer to the bytes of its image: scanned, against parsed whole',
  against: 'JSON.parse and decode',
  unit: 'answer',
  items: 100,
  round: (_, items, oursFirst) => {
    const scan = (): Sample => measure(items, () => imageOfAnswer(body))
    const parse = (): Sample => measure(items, () => readImage(parseObject(body) ?? {}))
    if (oursFirst) return Promise.resolve({ ours: scan(), bare: parse() })
    const bare = parse()
    return Promise.resolve({ ours: scan(), bare })
  },
}

function measure(items: number, read: () => AnsweredImage | undefined): Sample {
  const before = process.cpuUsage()
  const startedMs = performance.now()
  for (let at = 0; at < items; at += 1) {
    const image = read()
    if (image?.kind !== 'bytes' || image.bytes.length !== imageBytes) throw new Error('the image was not found')
  }
  const wallMs = performance.now() - startedMs
  const { user, system } = process.cpuUsage(before)
  return { cpuMs: (user + system) / 1000 / items, perSecond: (items * 1000) / wallMs, parts: {} }
}
