import { describe, expect, it } from 'vitest'
import { problemAnswer, toProblem } from '../../../src/api/problem.ts'
import { ApiProblem, invalidRequest, type ProblemName } from '../../../src/shared/contract/problem.ts'
import { Failure } from '../../../src/shared/failures/failure.ts'
import { DeadlinePassed } from '../../../src/shared/process/deadline.ts'
import { openLog } from '../../../src/shared/process/log.ts'

const silent = openLog({ level: 'silent', format: 'json' })

describe('problemAnswer', () => {
  it.each<[ProblemName, number, string]>([
    ['invalid_json', 400, 'invalid_request_error'],
    ['bad_request', 400, 'invalid_request_error'],
    ['unauthorized', 401, 'authentication_error'],
    ['forbidden', 403, 'permission_error'],
    ['not_found', 404, 'invalid_request_error'],
    ['method_not_allowed', 405, 'invalid_request_error'],
    ['timeout', 408, 'invalid_request_error'],
    ['conflict', 409, 'invalid_request_error'],
    ['too_large', 413, 'invalid_request_error'],
    ['unsupported_media_type', 415, 'invalid_request_error'],
    ['invalid_request', 422, 'invalid_request_error'],
    ['rate_limited', 429, 'rate_limit_error'],
    ['headers_too_large', 431, 'invalid_request_error'],
    ['internal_error', 500, 'server_error'],
    ['unavailable', 503, 'server_error'],
  ])('%s is %i and %s', (problem, status, type) => {
    const answer = problemAnswer(new ApiProblem({ problem, detail: 'So.' }), 'req_1')
    expect(answer.status).toBe(status)
    expect(answer.headers['content-type']).toBe('application/problem+json')
    expect(JSON.parse(answer.body)).toEqual({
      type: `https://cratework.dev/problems/${problem}`,
      title: expect.any(String),
      status,
      detail: 'So.',
      request_id: 'req_1',
      error: { message: 'So.', type, code: problem, param: null },
    })
  })

  it('lists faults in both shapes', () => {
    const fault = {
      line: 4,
      index: 3,
      custom_id: 'sku-4',
      param: 'prompt',
      code: 'too_long',
      message: 'is long',
    } as const
    const { body } = problemAnswer(invalidRequest([fault]), 'req_1')
    expect(JSON.parse(body)).toMatchObject({
      detail: 'items[3].prompt is long',
      error: { message: 'items[3].prompt is long', code: 'invalid_item', param: 'items[3].prompt' },
      errors: [{ ...fault, message: 'prompt is long' }],
    })
    const option = problemAnswer(invalidRequest([{ param: 'name', code: 'too_long', message: 'is long' }]), 'req_1')
    expect(JSON.parse(option.body)).toMatchObject({
      errors: [{ line: null, index: null, custom_id: null, param: 'name', code: 'too_long', message: 'name is long' }],
    })
  })

  it('says how to authenticate, what is allowed and when to come back', () => {
    const headers = (problem: ApiProblem) => problemAnswer(problem, 'req_1').headers
    expect(headers(new ApiProblem({ problem: 'unauthorized', detail: '' }))).toHaveProperty('www-authenticate')
    expect(
      headers(new ApiProblem({ problem: 'method_not_allowed', detail: '', allow: ['GET', 'HEAD'] })),
    ).toMatchObject({
      allow: 'GET, HEAD',
    })
    expect(headers(new ApiProblem({ problem: 'unavailable', detail: '', retryAfterS: 2 }))).toMatchObject({
      'retry-after': '2',
    })
  })
})

describe('toProblem', () => {
  const failure = (failureClass: 'storage_closed' | 'engine_away') =>
    new Failure({ class: failureClass, code: 'upload_failed', message: 'S3 refused: 403 AccessDenied at 10.0.0.1' })

  it.each<[string, unknown]>([
    ['a closed storage', failure('storage_closed')],
    ['an engine away', failure('engine_away')],
    ['a deadline', new DeadlinePassed(1000)],
    ['a connection that is down', new Error("Stream isn't writeable and enableOfflineQueue options is false")],
    ['a refused connection', Object.assign(new Error('connect'), { code: 'ECONNREFUSED' })],
    ['a Redis that loads', Object.assign(new Error('LOADING Redis is loading'), { name: 'ReplyError' })],
    ['a full Redis', Object.assign(new Error('OOM command not allowed'), { name: 'ReplyError' })],
  ])('answers 503 with Retry-After for %s, and tells nothing internal', (_, error) => {
    const problem = toProblem(error, silent)
    expect(problem).toMatchObject({ status: 503, retryAfterS: 2 })
    expect(problem.message).not.toMatch(/AccessDenied|10\.0\.0\.1|LOADING|OOM|connect$/)
  })

  it.each<[string, unknown]>([
    ['a bug', new TypeError("Cannot read properties of undefined (reading 'x')")],
    ['a wrong script', Object.assign(new Error('ERR user_script:1: nil'), { name: 'ReplyError' })],
    ['another failure', new Failure({ class: 'permanent', code: 'invalid_request', message: 'internal words' })],
    ['what is no error', 'text'],
  ])('answers 500 for %s, and tells nothing internal', (_, error) => {
    const problem = toProblem(error, silent)
    expect(problem.status).toBe(500)
    expect(problem.message).toBe('Something went wrong here. The request id finds it in the log.')
  })
})
