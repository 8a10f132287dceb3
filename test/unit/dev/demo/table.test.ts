import { describe, expect, it } from 'vitest'
import { resultsTable } from '../../../../src/dev/demo/table.ts'
import { failedLine, madeLine } from '../../../support/catalog-run.ts'

describe('the table of results', () => {
  it('has a row an item and the sum, its columns below each other', () => {
    const lines = [
      madeLine('watch'),
      madeLine('running-shoe', { cost_usd: '12.5' }),
      failedLine('hat', 'no'),
      madeLine('sock', { cost_usd: null }),
    ]
    expect(resultsTable(lines).split('\n')).toEqual([
      '  custom_id      status      S3 key                                    size                cost in USD',
      `  ${'-'.repeat(100)}`,
      '  watch          succeeded   images/default/catalog/watch.png          1024 x 768, 24 kB         0.003',
      '  running-shoe   succeeded   images/default/catalog/running-shoe.png   1024 x 768, 24 kB          12.5',
      '  hat            failed      -                                         -                          0.00',
      '  sock           succeeded   images/default/catalog/sock.png           1024 x 768, 24 kB       unknown',
      `  ${'-'.repeat(100)}`,
      '  total                                                                                         12.503',
    ])
  })
})
