import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { Page } from 'playwright-core'
import sharp from 'sharp'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { contactSheet } from '../../src/dev/demo/contact-sheet.ts'
import { startBrowser } from '../support/browser.ts'
import { endedBatch, failedLine, madeLine } from '../support/catalog-run.ts'

const browser = await startBrowser()
const made = ['running-shoe', 'backpack', 'watch', 'sunglasses']
const evil = `<script>document.title = 'taken'</script><img src=x onerror="document.title = 'taken'">`

describe.runIf(browser)('the contact sheet in a browser', () => {
  let folder: string
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'cratework-sheet-'))
    const png = await sharp({ create: { width: 1024, height: 768, channels: 3, background: '#c96' } })
      .png()
      .toBuffer()
    for (const name of made) await writeFile(join(folder, fileOf(name)), png)
    const page = contactSheet({
      batch: endedBatch({ succeeded: 4, completed: 4, failed: 1 }),
      lines: [...made.map((name) => madeLine(name)), failedLine('headphones', evil)],
      files: new Map(made.map((name) => [name, fileOf(name)])),
      simulated: true,
    })
    await writeFile(join(folder, 'index.html'), page)
  })
  afterAll(async () => {
    await browser?.close()
    await rm(folder, { recursive: true, force: true })
  })

  it.each(['light', 'dark'] as const)(
    'shows every image, asks nobody, and complains of nothing (%s)',
    async (scheme) => {
      const { page, asked, complaints } = await open(1280, scheme)
      // An image that cannot be decoded has no width of its own.
      const widths = await page.evaluate<number[]>('Array.from(document.images, (image) => image.naturalWidth)')
      expect(widths).toEqual(made.map(() => 1024))
      expect(asked.filter((url) => !url.startsWith(pathToFileURL(folder).href))).toEqual([])
      expect(asked).toHaveLength(1 + made.length)
      expect(complaints).toEqual([])
      await page.close()
    },
  )

  it('shows why an image is missing, as text', async () => {
    const { page } = await open(1280, 'light')
    expect(await page.locator('.missing').innerText()).toBe(evil)
    expect(await page.title()).toBe('Two <products> · Cratework')
    await page.close()
  })

  it.each([320, 800, 1280])('fits a window of %i pixels', async (width) => {
    const { page } = await open(width, 'light')
    expect(await page.evaluate<number>('document.documentElement.scrollWidth')).toBeLessThanOrEqual(width)
    const cards = await page.locator('article').all()
    expect(cards).toHaveLength(5)
    for (const card of cards) {
      const box = await card.boundingBox()
      expect((box?.x ?? Infinity) + (box?.width ?? 0)).toBeLessThanOrEqual(width)
    }
    await page.close()
  })

  async function open(
    width: number,
    colorScheme: 'light' | 'dark',
  ): Promise<{ page: Page; asked: string[]; complaints: string[] }> {
    if (browser === undefined) throw new Error('without a browser this is not run')
    const page = await browser.newPage({ viewport: { width, height: 900 }, colorScheme })
    const asked: string[] = []
    const complaints: string[] = []
    page.on('request', (request) => asked.push(request.url()))
    page.on('requestfailed', (request) => complaints.push(`failed: ${request.url()}`))
    page.on('pageerror', (error) => complaints.push(error.message))
    page.on('console', (message) => complaints.push(message.text()))
    await page.goto(pathToFileURL(join(folder, 'index.html')).href)
    return { page, asked, complaints }
  }
})

/** A name that a URL must spell otherwise. */
function fileOf(name: string): string {
  return `${name} #1 50%.png`
}
