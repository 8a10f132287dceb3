/** Everything that the environment says, checked. Made by `load.ts`; nothing else reads the environment. */
export interface Config {
  readonly port: number
  readonly host: string
  /** `explicit`: it was set, so a port in use is a fault and not a reason to take another. */
  readonly metricsPort: { readonly value: number; readonly explicit: boolean }
  readonly metricsHost: string
  readonly redisUrl: string
  readonly redisPrefix: string
  readonly s3: {
    readonly bucket: string
    /** Undefined: AWS itself. */
    readonly endpoint: string | undefined
    readonly region: string
    readonly forcePathStyle: boolean
    /** Empty, or ends in `/`. */
    readonly prefix: string
    readonly publicEndpoint: string | undefined
  }
  readonly provider: {
    /** Empty in a process that has no worker. */
    readonly apiKey: string
    readonly baseUrl: string
    /** Calls a minute; undefined: learned. */
    readonly rateLimit: number | undefined
    readonly timeoutMs: number
  }
  readonly worker: {
    readonly concurrency: number
    readonly lockMs: number
    readonly sweepIntervalMs: number
    readonly itemMaxAttempts: number
    readonly retryUnknown: boolean
    readonly shutdownGraceMs: number
  }
  /** Empty in a process that has no API. */
  readonly apiKey: string
  readonly publicUrl: string
  readonly webhook: {
    readonly allowHttp: boolean
    readonly allowPrivate: boolean
    readonly secret: string | undefined
    readonly retryScheduleMs: readonly number[]
  }
  readonly log: { readonly level: string; readonly format: 'json' | 'pretty' }
}
