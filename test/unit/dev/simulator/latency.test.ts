import { describe, expect, it } from 'vitest'
import { modelLatencyMs } from '../../../../src/dev/simulator/latency.ts'
import { readGeneration } from '../../../../src/dev/simulator/request.ts'

function latencies(body: object, count = 2000): number[] {
  return Array.from({ length: count }, (_, index) =>
    modelLatencyMs(readGeneration({ prompt: `A mug ${String(index)}`, ...body }), 0),
  ).toSorted((a, b) => a - b)
}
const median = (sorted: number[]) => sorted[Math.floor(sorted.length / 2)] ?? 0

describe('the latency of a model', () => {
  it.each([
    ['black-forest-labs/FLUX.1-schnell', 800, 1600],
    ['black-forest-labs/FLUX.1-dev', 3500, 7000],
    ['black-forest-labs/FLUX.1-kontext-dev', 6000, 12_000],
    ['black-forest-labs/FLUX.2-pro', 8000, 18_000],
    ['stabilityai/sd3.5-large-turbo', 2000, 4000],
    ['recraft-ai/recraft-v3', 5000, 10_000],
  ])('of %s has its median and 95th percentile', (model, medianMs, p95Ms) => {
    const sorted = latencies({ model })
    expect(median(sorted) / medianMs).toBeCloseTo(1, 0.9)
    expect((sorted[Math.floor(sorted.length * 0.95)] ?? 0) / p95Ms).toBeCloseTo(1, 0.7)
    expect(sorted[0]).toBeGreaterThan(0)
  })

  it('grows with steps and size', () => {
    const model = 'black-forest-labs/FLUX.1-dev'
    const usual = median(latencies({ model }, 500))
    expect(median(latencies({ model, num_inference_steps: 14 }, 500)) / usual).toBeCloseTo(0.5, 1)
    expect(median(latencies({ model, width: 256, height: 256 }, 500)) / usual).toBeCloseTo(0.11, 1)
  })

  it('is the same for the same body seen as often, and another one the next time', () => {
    const asked = readGeneration({ model: 'black-forest-labs/FLUX.1-dev', prompt: 'A mug' })
    expect(modelLatencyMs(asked, 0)).toBe(modelLatencyMs(asked, 0))
    expect(modelLatencyMs(asked, 1)).not.toBe(modelLatencyMs(asked, 0))
  })
})
