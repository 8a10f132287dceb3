import { pipelineRound } from '../pipeline.ts'
import type { Row } from '../row.ts'

/** Small images by URL: what the overhead of the pipeline is, since there is little else. */
export const url32kb: Row = {
  name: '32 kB by URL',
  about: 'call, download of 32 kB (256 x 256), stored in S3; no latency',
  against: 'the bare loop',
  unit: 'image',
  items: 1_000,
  round: (surroundings, items, oursFirst) => pipelineRound(surroundings, { side: 256, form: 'url' }, items, oursFirst),
}
