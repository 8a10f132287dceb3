import { describe, expect, it } from 'vitest'
import { newProgress } from '../../../../src/dev/demo/progress.ts'
import { endedBatch } from '../../../support/catalog-run.ts'

function screen(isTTY: boolean, columns?: number) {
  let text = ''
  const write = (more: string): void => {
    text += more
  }
  return { screen: { isTTY, write, ...(columns === undefined ? {} : { columns }) }, text: () => text }
}

const running = { ...endedBatch({ succeeded: 1, completed: 1, in_progress: 1 }), status: 'in_progress' as const }

describe('progress', () => {
  it('is one line of a terminal, drawn anew: full for what is settled, half for what is being made', () => {
    const { screen: terminal, text } = screen(true)
    const progress = newProgress(terminal)
    progress.update(running, 1234)
    progress.end()
    expect(text()).toBe(`\r  ${'█'.repeat(15)}${'▒'.repeat(15)}  1 of 2, 1 being made  1.2 s\u001b[K\n`)
  })

  it('does not wrap on a narrow terminal', () => {
    const { screen: terminal, text } = screen(true, 20)
    newProgress(terminal).update(running, 0)
    expect(text().replace('\r', '').replace('\u001b[K', '')).toHaveLength(19)
  })

  it('is a plain line for each change elsewhere', () => {
    const { screen: file, text } = screen(false)
    const progress = newProgress(file)
    progress.update(running, 100)
    progress.update(running, 200)
    progress.update(endedBatch({ succeeded: 1, completed: 1, failed: 1 }), 300)
    progress.end()
    expect(text()).toBe('  1 of 2, 1 being made\n  2 of 2, 1 failed\n')
  })

  it('says why nothing moves', () => {
    const { screen: file, text } = screen(false)
    const blocked = { reason: 'provider_auth' as const, since: 1, next_attempt_at: null, detail: 'the key is revoked' }
    newProgress(file).update({ ...running, blocked_by: blocked }, 0)
    expect(text()).toBe('  1 of 2, 1 being made, waits: the key is revoked\n')
  })
})
