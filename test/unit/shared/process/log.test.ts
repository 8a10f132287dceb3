import { Writable } from 'node:stream'
import { describe, expect, it } from 'vitest'
import { openLog } from '../../../../src/shared/process/log.ts'

function openTestLog(format: 'json' | 'pretty' = 'json') {
  const lines: string[] = []
  const log = openLog(
    { level: 'trace', format },
    new Writable({
      write(line: Buffer, _encoding, done) {
        lines.push(String(line))
        done()
      },
    }),
  )
  return { log, text: () => lines.join(''), last: () => JSON.parse(lines.at(-1) ?? '') as Record<string, unknown> }
}

const presigned = 'https://s3.example.com/b/k.png?X-Amz-Algorithm=AWS4&X-Amz-Signature=c0ffee0123'

describe('openLog', () => {
  it('never shows fields that are named like secrets, however deep', () => {
    const { log, text } = openTestLog()
    log.info({ authorization: 'Bearer hunter2', a: { cookies: 'hunter2', b: [{ webhook_secret: 'hunter2' }] } }, 'x')
    log.info({ apiKey: 'hunter2', set_cookie: ['hunter2'], 'x-api-key': 'hunter2', body: { a: 'hunter2' } }, 'x')
    log.child({ apiKey: 'hunter2' }).info('x')
    expect(text()).not.toContain('hunter2')
    expect(text()).toContain('[redacted]')
  })

  it('cuts the signature from presigned URLs in fields, messages and errors', () => {
    const { log, text } = openTestLog()
    log.info({ url: presigned, list: [presigned] }, `got ${presigned}`)
    log.error({ err: new Error(`failed at ${presigned}`, { cause: new Error(presigned) }) }, 'x')
    log.error(new Error(`failed at ${presigned}`))
    expect(text()).not.toContain('c0ffee')
    expect(text()).toContain('https://s3.example.com/b/k.png?[presigned]')
  })

  it('cuts user and password from URLs, and keys from authorization headers in texts', () => {
    const { log, text } = openTestLog()
    log.info({ url: 'redis://user:hunt@hunter2@localhost:6379' }, 'connecting to redis://:hunter2@localhost')
    log.info('sent Authorization: Bearer rc_live_hunter2hunter2')
    expect(text()).not.toContain('hunter2')
  })

  it('shows prompts as a hash', () => {
    const { log, last } = openTestLog()
    log.info({ item: { prompt: 'a secret shoe', negative_prompt: 'blur' } }, 'x')
    expect(last()['item']).toEqual({
      prompt: expect.stringMatching(/^sha256:[0-9a-f]{12}$/),
      negative_prompt: expect.stringMatching(/^sha256:[0-9a-f]{12}$/),
    })
  })

  it('keeps what else an error says: type, message, stack, class and cause', () => {
    const { log, last } = openTestLog()
    log.error({ err: Object.assign(new TypeError('bad'), { class: 'permanent', cause: new Error('deep') }) }, 'x')
    expect(last()['err']).toMatchObject({
      type: 'TypeError',
      message: 'bad',
      stack: expect.stringContaining('log.test.ts'),
      class: 'permanent',
      cause: { message: 'deep' },
    })
  })

  it('writes one line for a message with line breaks, also in the pretty format', () => {
    for (const format of ['json', 'pretty'] as const) {
      const { log, text } = openTestLog(format)
      log.info('one\r\ntwo')
      expect(text().trimEnd()).toContain('one\\')
      expect(text().trimEnd()).not.toMatch(/[\r\n]/)
    }
  })

  it('cuts what is too long, too deep or too much', () => {
    const { log, text } = openTestLog()
    const round: Record<string, unknown> = { text: 'x'.repeat(100_000), list: Array.from({ length: 1000 }, () => 'y') }
    round['self'] = round
    log.info(round, 'x')
    expect(text().length).toBeLessThan(20_000)
  })
})
