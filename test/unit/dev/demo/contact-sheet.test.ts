import { describe, expect, it } from 'vitest'
import { contactSheet } from '../../../../src/dev/demo/contact-sheet.ts'
import { endedBatch, failedLine, madeLine } from '../../../support/catalog-run.ts'

const lines = [madeLine('watch'), failedLine('a"b', "it said <script>alert(1)</script> & 'no'")]
const page = contactSheet({
  batch: endedBatch({ succeeded: 1, completed: 1, failed: 1 }),
  lines,
  files: new Map([['watch', 'watch #1 "x".png']]),
  simulated: true,
})

describe('the contact sheet', () => {
  it('shows each image with its name, prompt, status, size, cost and key, and the sum', () => {
    for (const text of [
      'Watch',
      'A luxury watch on marble surface, soft shadows',
      'succeeded',
      '1024 x 768, 24 kB',
      '$0.003',
      'images/<wbr>default/<wbr>catalog/<wbr>watch.png',
      'black-forest-labs/FLUX.1-schnell',
      'batch_01JAAAAAAAAAAAAAAAAAAAAAAA',
      '2026-01-02 03:04 UTC',
      'simulated, not paid',
    ]) {
      expect(page).toContain(text)
    }
  })

  it('names its images relative to itself, whatever is in their names', () => {
    expect(page).toContain('<img src="./watch%20%231%20%22x%22.png"')
    expect([...page.matchAll(/(?:src|href)="(?!\.\/)/g)]).toEqual([])
  })

  it('takes no text for HTML', () => {
    expect(page).toContain('<h1>Two &lt;products&gt;</h1>')
    expect(page).toContain('it said &lt;script&gt;alert(1)&lt;/script&gt; &amp; &#39;no&#39;')
    expect(page).toContain('<h2>a&quot;b</h2>')
    expect(page).not.toContain('<script')
  })
})
