import { inject } from 'vitest'
import { openStore, type Store } from '../../src/shared/ledger/store.ts'
import { systemClock, type Clock } from '../../src/shared/process/clock.ts'
import { systemRandom } from '../../src/shared/process/random.ts'

export interface TestStoreOptions {
  /** Another than that of the tests' S3: a proxy, a fake, a closed port. */
  readonly endpoint?: string
  readonly publicEndpoint?: string
  readonly prefix?: string
  readonly deadlineMs?: number
  readonly clock?: Clock
}

/** The ledger's door, on the S3 of the tests. Puts its keys into the environment, where the SDK looks for them. */
export function openTestStore(bucket: string, options: TestStoreOptions = {}): Store {
  const s3 = inject('s3')
  process.env.AWS_ACCESS_KEY_ID = s3.accessKeyId
  process.env.AWS_SECRET_ACCESS_KEY = s3.secretAccessKey
  return openStore(
    {
      bucket,
      endpoint: options.endpoint ?? s3.endpoint,
      region: s3.region,
      forcePathStyle: s3.forcePathStyle,
      prefix: options.prefix ?? '',
      publicEndpoint: options.publicEndpoint,
    },
    { clock: options.clock ?? systemClock, random: systemRandom, deadlineMs: options.deadlineMs ?? 10_000 },
  )
}
