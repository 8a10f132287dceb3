import type { Verdict } from '../shared/queues/verdict.ts'
import { again } from '../shared/queues/verdict.ts'
import { Failure } from '../shared/failures/failure.ts'
import type { Parts } from '../shared/parts/open.ts'
import { readLane } from '../shared/lanes/lane.ts'
import { newReadiness, startHealthServer } from '../shared/process/health.ts'
import { priorities } from '../shared/contract/priority.ts'
import { startConsumer, type Consumer } from '../shared/queues/consume.ts'
import { batchJob, deliverJob, generateJob, generateQueue, queueNames, type BatchJob } from '../shared/queues/jobs.ts'
import { newAttempts } from './attempts.ts'
import { startBatchWatch } from './batch-watch.ts'
import { deliverEvent } from './deliver.ts'
import { watchEpoch } from './epoch.ts'
import { newFeedTrigger } from './feed-trigger.ts'
import { newRelayTrigger } from './relay/relay-trigger.ts'
import { feedQueue, newFeedCache } from './feed.ts'
import { closeBatch } from './close.ts'
import { finishBatch } from './finish.ts'
import { generateItem } from './generate/generate.ts'
import { newSettleStep } from './generate/settle-step.ts'
import { startHeartbeat } from './heartbeat.ts'
import { newPace } from './pace.ts'
import { createProvider } from './provider/client.ts'
import { rebuild } from './rebuild.ts'
import { relayBehind } from './relay/behind.ts'
import { relayEvents } from './relay/relay.ts'
import { sealChunk } from './seal.ts'
import { newSlots } from './slots.ts'
import { newStorageGate } from './storage-gate.ts'
import { startSweeper } from './sweeper.ts'

export interface RunningWorker extends AsyncDisposable {
  /** Where `/metrics`, `/livez` and `/readyz` are. */
  readonly metricsPort: number
  /** Takes nothing new, ends what is in flight within the grace, lets go of everything. */
  stop(): Promise<void>
}

const userAgent = 'Cratework/0.1'
/** `batch` jobs wait for S3 most of the time; deliveries for receivers. */
const batchConcurrency = 4
const deliverConcurrency = 20
/** How often the number of items at once follows the rate. */
const paceMs = 2000
const knownWithinMs = 5000
/** Kept back of the grace for letting go of everything. */
const closeMs = 3000

/** Starts a worker: what runs in it, and how each part stops, is this list. */
export async function startWorker(shared: Parts): Promise<RunningWorker> {
  const { config, log, clock, random, keys, redis, queues, store } = shared
  const stopping = new AbortController()
  const deadline = new AbortController()
  const onError = (error: Error): void => {
    log.warn({ err: error }, 'a background step failed; it comes again')
  }

  const readiness = newReadiness(shared, {
    redis: () => redis.ping(),
    storage: () => store.head('lanes/storage.json'),
  })
  const health = await startHealthServer(shared, readiness)

  const provider = createProvider({
    apiKey: config.provider.apiKey,
    baseUrl: config.provider.baseUrl,
    timeoutMs: config.provider.timeoutMs,
    clock,
    userAgent,
  })
  const attempts = newAttempts(random)
  const placesMax = config.worker.concurrency
  const pace = newPace({ redis, keys, clock, placesMax, configured: config.provider.rateLimit })
  const storage = newStorageGate({
    ...shared,
    onClosed: (failure) => {
      log.error({ err: failure }, 'S3 does not work: no new calls until it does')
    },
  })
  const slots = newSlots({
    redis,
    keys,
    clock,
    placesMax,
    ceiling: config.provider.rateLimit ?? 0,
    tryStorage: () => storage.tryAgain(),
    onError,
  })
  const epoch = watchEpoch({
    redis: shared.connect('guarded'),
    keys,
    clock,
    random,
    lockMs: config.worker.lockMs,
    rebuild: () => rebuild(shared),
    onError,
  })
  let places = pace.places(1)
  const heartbeat = await startHeartbeat({
    redis,
    keys,
    clock,
    attempts,
    lockMs: config.worker.lockMs,
    places: () => places,
    onError,
  })
  const feedTrigger = newFeedTrigger(queues, onError)
  const relayTrigger = newRelayTrigger(queues, onError)
  const cache = newFeedCache(store)
  const settle = newSettleStep({ ...shared, feedTrigger, relayTrigger, deadline: deadline.signal })
  const stages = { ...shared, userAgent, rules: config.webhook, epoch, pace, feedTrigger, relayTrigger, cache }
  const batchWatch = startBatchWatch({ redis, keys, clock, onError })
  const generating = {
    ...stages,
    batchWatch,
    attempts,
    slots,
    storage,
    provider,
    settle,
    trustedOrigin: config.provider.baseUrl,
    retryUnknown: config.worker.retryUnknown,
    stopping: stopping.signal,
    deadline: deadline.signal,
  }

  /** What the outside being away looks like to the engine: not a failure, only a wait. */
  async function patiently(step: () => Promise<Verdict>): Promise<Verdict> {
    try {
      return await step()
    } catch (error) {
      if (!(error instanceof Failure)) throw error
      log.debug({ err: error }, 'a step waits')
      return again(1000 * (1 + random.number()))
    }
  }
  async function batchStep(job: BatchJob): Promise<Verdict> {
    switch (job.kind) {
      case 'feed':
        return await feedQueue(stages, job.priority)
      case 'seal':
        await sealChunk(shared, job.batch, job.chunk)
        return { kind: 'done' }
      case 'close':
        return await closeBatch(stages, job.batch)
      case 'finish':
        return await finishBatch(shared, job.batch)
      case 'relay':
        return await relayEvents(shared)
      case 'relay-behind':
        return await relayBehind(shared, job.batch)
    }
  }

  const engine = {
    redis: shared.connect('engine'),
    prefix: config.redisPrefix,
    lockMs: config.worker.lockMs,
    clock,
    random,
    onError: (queue: string, error: Error) => {
      log.warn({ err: error, queue }, 'the engine reports a fault')
    },
  }
  const generators = priorities.map((priority) =>
    startConsumer(engine, {
      queue: generateQueue(priority),
      data: generateJob,
      concurrency: places,
      handle: (job) => patiently(() => generateItem(generating, job)),
    }),
  )
  const others: Consumer[] = [
    startConsumer(engine, {
      queue: queueNames.batch,
      data: batchJob,
      concurrency: batchConcurrency,
      handle: (job) => patiently(() => batchStep(job)),
    }),
    startConsumer(engine, {
      queue: queueNames.deliver,
      data: deliverJob,
      concurrency: deliverConcurrency,
      handle: (job) => patiently(() => deliverEvent(stages, job)),
    }),
  ]
  async function followPace(): Promise<void> {
    await pace.refresh()
    const processes = await redis.zcount(keys.beats, clock.now(), '+inf')
    places = pace.places(processes)
    for (const generator of generators) generator.setConcurrency(places)
    shared.metrics.itemsInWork(slots.inUse())
    for (const lane of ['provider', 'storage'] as const) {
      shared.metrics.lane(lane, (await readLane(redis, keys, lane)).open ? 'open' : 'closed')
    }
  }
  const cancelPace = clock.every(paceMs, () => {
    followPace().catch(onError)
  })
  const sweeper = startSweeper({ ...shared, epoch, cache, process: attempts.process })

  // Where S3 is away this comes later; the process runs, and is not ready.
  const waiting = new AbortController()
  await Promise.race([epoch.known, clock.sleep(knownWithinMs, waiting.signal).catch(() => undefined)])
  waiting.abort()
  log.info({ process: attempts.process, metricsPort: health.port }, 'worker is running')

  async function stopAll(): Promise<void> {
    readiness.stopping()
    stopping.abort(new Error('the worker stops'))
    cancelPace()
    batchWatch.stop()
    await sweeper.stop()
    const consumers = [...generators, ...others]
    const grace = new AbortController()
    const drained = Promise.all(consumers.map((consumer) => consumer.drain())).then(() => {
      grace.abort()
    })
    await clock.sleep(Math.max(0, config.worker.shutdownGraceMs - closeMs), grace.signal).catch(() => undefined)
    deadline.abort(new Error('the grace is over'))
    await Promise.race([drained, clock.sleep(closeMs / 2)])
    await Promise.all(consumers.map((consumer) => consumer.close()))
    await heartbeat.stop().catch(onError)
    epoch.stop()
    await provider.close()
    await health.stop()
    log.info('worker has stopped')
  }
  let stopped: Promise<void> | undefined
  const stop = (): Promise<void> => (stopped ??= stopAll())
  return { metricsPort: health.port, stop, [Symbol.asyncDispose]: stop }
}
