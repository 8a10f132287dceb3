import { pipelineRound } from '../pipeline.ts'
import type { Row } from '../row.ts'

/** Large images inside the answer: what handling the bytes costs. */
export const base64of1mb: Row = {
  name: '1 MB by base64',
  about: 'call with 1 MB (1024 x 1024) in its answer, stored in S3; no latency',
  against: 'the bare loop',
  unit: 'image',
  items: 100,
  round: (surroundings, items, oursFirst) =>
    pipelineRound(surroundings, { side: 1024, form: 'b64_json' }, items, oursFirst),
}
