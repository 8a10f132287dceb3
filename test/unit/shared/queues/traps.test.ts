import { readFileSync } from 'node:fs'
import { glob } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { newBatchId } from '../../../../src/shared/contract/ids.ts'
import { deliverJobId, generateJobId, queueNames, triggerId } from '../../../../src/shared/queues/jobs.ts'

// Traps of the engine (BullMQ 6.7) that are kept out by not going near them. Those that can be seen to hold at run time
// are in test/integration/shared/queues.

const root = join(import.meta.dirname, '..', '..', '..', '..')
const sources: [name: string, text: string][] = []
for await (const name of glob('src/**/*.ts', { cwd: root })) {
  sources.push([name, readFileSync(join(root, name), 'utf8').replaceAll(/\/\/.*|\/\*[\s\S]*?\*\//g, '')])
}

function filesWith(pattern: RegExp): string[] {
  return sources.filter(([, text]) => pattern.test(text)).map(([name]) => name)
}

describe('nobody', () => {
  it.each([
    ['makes a schedule of the engine: upserting it at start deletes the run that was missed', /upsertJobScheduler/],
    ['uses its fixed-window limits, which burst to twice the limit', /\blimiter\s*:|GlobalRateLimit|\.rateLimit\(/],
    [
      'pauses a whole queue, or keeps state in what a FLUSHALL takes',
      /queues?(\.get\([^)]*\))?\.pause\(\)|setGlobalConcurrency/,
    ],
    ['builds on its event stream, which drops what a slow reader has not read', /QueueEvents|waitUntilFinished/],
    [
      'asks it to fail a job for good: a job ends settled, put off, or as a bug',
      /UnrecoverableError|maxStartedAttempts/,
    ],
    ['builds trees of jobs: a million children in Redis', /FlowProducer/],
    ['throws away a queue by force', /obliterate/],
  ])('%s', (_, pattern) => {
    expect(filesWith(pattern)).toEqual([])
  })

  it('but consume.ts starts a worker of the engine, which needs the same locks and stall rules everywhere', () => {
    expect(filesWith(/new Worker\(/)).toEqual(['src/shared/queues/consume.ts'])
    expect(filesWith(/moveToDelayed|DelayedError|WaitingError/)).toEqual(['src/shared/queues/consume.ts'])
  })

  it('but open.ts makes a queue, with the options of jobs that free their id when they end', () => {
    expect(filesWith(/new Queue\(/)).toEqual(['src/shared/queues/open.ts'])
    expect(filesWith(/removeOn(Complete|Fail)/)).toEqual(['src/shared/queues/open.ts'])
  })

  it('gives a job a priority: each has its queue, since a stalled job jumps every priority', () => {
    expect(filesWith(/(opts|defaultJobOptions):\s*\{[^}]*\bpriority\b/)).toEqual([])
    expect(filesWith(/\{\s*(jobId|deduplication)\b[^}]*\bpriority:/)).toEqual([])
  })

  it('triggers a step by a job id: one that is taken by an active job loses the wake-up', () => {
    const [, enqueue = ''] = sources.find(([name]) => name === 'src/shared/queues/enqueue.ts') ?? []
    const trigger = /function trigger\([\s\S]*?\n}/.exec(enqueue)?.[0] ?? ''
    expect(trigger).toContain('keepLastIfActive: true')
    expect(trigger).not.toContain('jobId')
  })
})

describe('ids', () => {
  const batch = newBatchId(0, Math.random)

  it('are such as the engine takes: no integer, no colon', () => {
    const ids = [
      generateJobId(batch, 7, 1),
      deliverJobId('msg_0123', 'batch'),
      ...Object.values(queueNames),
      triggerId({ v: 1, kind: 'feed', priority: 'bulk' }),
      triggerId({ v: 1, kind: 'seal', batch, chunk: 3 }),
      triggerId({ v: 1, kind: 'finish', batch }),
      triggerId({ v: 1, kind: 'relay' }),
    ]
    expect(new Set(ids).size).toBe(ids.length)
    expect(ids.filter((id) => id.includes(':') || /^\d+$/.test(id))).toEqual([])
  })

  it('of an item are one for each round, and say which item it is', () => {
    expect(generateJobId(batch, 7, 1)).toBe(`item_${batch.slice(6)}-7-r1`)
    expect(generateJobId(batch, 7, 2)).not.toBe(generateJobId(batch, 7, 1))
    expect(generateJobId(batch, 1, 11)).not.toBe(generateJobId(batch, 11, 1))
  })

  it('of a trigger are one for each step of a batch', () => {
    const seals = [0, 1].map((chunk) => triggerId({ v: 1, kind: 'seal', batch, chunk }))
    expect(new Set([...seals, triggerId({ v: 1, kind: 'finish', batch })]).size).toBe(3)
  })
})
