import { existsSync, realpathSync } from 'node:fs'
import { basename, delimiter, join } from 'node:path'
import { chromium, type Browser } from 'playwright-core'

const commands = ['google-chrome', 'google-chrome-stable', 'chromium', 'chrome.exe', 'msedge.exe']
const elsewhere = [
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
  '/Applications/Chromium.app/Contents/MacOS/Chromium',
  String.raw`C:\Program Files\Google\Chrome\Application\chrome.exe`,
  String.raw`C:\Program Files (x86)\Microsoft\Edge\Application\msedge.exe`,
]

/**
 * A Chromium or Chrome that this machine has and that starts. Undefined, and one line that says so, where there is none:
 * nothing is installed for it.
 */
export async function startBrowser(): Promise<Browser | undefined> {
  const folders = (process.env['PATH'] ?? '').split(delimiter).filter((folder) => folder !== '')
  const onPath = folders.flatMap((folder) => commands.map((command) => join(folder, command)))
  const executablePath = [...onPath, ...elsewhere].find((path) => existsSync(path) && !isSnap(path))
  if (executablePath === undefined) {
    console.warn('No Chromium or Chrome is installed here: what needs a browser is skipped.')
    return undefined
  }
  try {
    return await chromium.launch({ executablePath })
  } catch (error) {
    console.warn(`${executablePath} does not start: what needs a browser is skipped.`, error)
    return undefined
  }
}

/** A snap has folders of its own and does not see ours. */
function isSnap(path: string): boolean {
  return basename(realpathSync(path)) === 'snap'
}
