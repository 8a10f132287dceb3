import { Failure } from '../failures/failure.ts'

interface SdkError {
  name?: string
  $metadata?: { httpStatusCode?: number }
}

function statusOf(error: unknown): number | undefined {
  return (error as SdkError).$metadata?.httpStatusCode
}

function nameOf(error: unknown): string {
  return (error as SdkError).name ?? 'Error'
}

/** The key is not there. A missing bucket is no missing key. */
export function isMissing(error: unknown): boolean {
  return statusOf(error) === 404 && nameOf(error) !== 'NoSuchBucket'
}

/** 412, or AWS' 409 for two conditional writes at the same moment (S3 user guide, "Conditional writes"). */
export function isConditionFailed(error: unknown): boolean {
  return statusOf(error) === 412 || (statusOf(error) === 409 && nameOf(error) === 'ConditionalRequestConflict')
}

const deniedStatuses = new Set([401, 403, 404])

/** What any other error of S3 means, and whether another try at once makes sense. */
export function storeFailure(error: unknown): { failure: Failure; again: boolean } {
  const status = statusOf(error)
  const denied = status !== undefined && deniedStatuses.has(status)
  const what = status === undefined ? `no answer (${nameOf(error)})` : `${String(status)} ${nameOf(error)}`
  return {
    again: !denied,
    failure: new Failure({
      class: 'storage_closed',
      code: 'upload_failed',
      message: denied ? `S3 refused: ${what}` : `S3 is away: ${what}`,
      cause: error,
    }),
  }
}
