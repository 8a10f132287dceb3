import { existsSync, globSync, readFileSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'
import { describe, expect, it } from 'vitest'
import { openMetrics } from '../../../src/shared/process/metrics.ts'

const root = join(import.meta.dirname, '..', '..', '..')
const pages = globSync(['*.md', 'docs/**/*.md', '.github/**/*.md'], { cwd: root }).map((page) =>
  page.replaceAll('\\', '/'),
)

function textOf(path: string): string {
  return readFileSync(join(root, path), 'utf8')
}

/** Without blocks of code: what stands in one is an example. */
function proseOf(page: string): string {
  return textOf(page).replace(/^( *)```[\s\S]*?^\1```$/gm, '')
}

/** Where a heading can be linked to, as GitHub makes it. */
function anchorsOf(page: string): string[] {
  return [...proseOf(page).matchAll(/^#+ (.*)$/gm)].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-'),
  )
}

/** What is wrong with a relative link, or undefined. */
function linkFault(page: string, link: string): string | undefined {
  const [path = '', anchor] = decodeURI(link).split('#')
  const target = path === '' ? page : normalize(join(dirname(page), path)).replaceAll('\\', '/')
  if (!existsSync(join(root, target))) return `${link}: there is no ${target}`
  if (anchor === undefined || !target.endsWith('.md') || anchorsOf(target).includes(anchor)) return undefined
  return `${link}: ${target} has no heading of that name`
}

const namedFile = /^((?:src|test|docs|scripts|tools|bench|\.ci)\/[\w./-]*)(?::(\w+))?$/

/** What is wrong with a file that a page names, with or without a name in it: `src/worker/feed.ts:feedQueue`. */
function namedFileFault(code: string): string | undefined {
  const [, path = '', name] = namedFile.exec(code) ?? []
  if (path === '') return undefined
  if (!existsSync(join(root, path))) return `there is no ${path}`
  if (name === undefined || new RegExp(`\\b${name}\\b`).test(textOf(path))) return undefined
  return `${path} has no ${name}`
}

function namesOf(matches: readonly RegExpExecArray[]): string[] {
  return matches.map(([, name = '']) => name).toSorted()
}

function faultsOf(page: string): string[] {
  const prose = proseOf(page)
  const links = [...prose.matchAll(/\]\(([^)\s]+)\)|(?:src|href)="([^"]+)"/g)].map(
    ([, link, other]) => link ?? other ?? '',
  )
  const codes = [...prose.matchAll(/`([^`\n]+)`/g)].map(([, code = '']) => code)
  return [
    ...links.filter((link) => !/^[a-z]+:/.test(link)).map((link) => linkFault(page, link)),
    ...codes.map(namedFileFault),
  ].filter((fault) => fault !== undefined)
}

describe('the documentation', () => {
  it.each(pages)('%s links to what is there and names files and functions that are there', (page) => {
    expect(faultsOf(page)).toEqual([])
  })

  it.each([
    ['[the API](docs/nothing.md)', 'docs/nothing.md'],
    ['[errors](docs/api.md#no-such-heading)', 'no heading'],
    ['`src/worker/nothing.ts`', 'src/worker/nothing.ts'],
    ['`src/worker/feed.ts:feedNothing`', 'feedNothing'],
  ])('a page that says %s is found out', (text, told) => {
    const found = text.startsWith('[')
      ? linkFault('README.md', /\((.*)\)/.exec(text)?.[1] ?? '')
      : namedFileFault(text.replaceAll('`', ''))
    expect(found).toContain(told)
  })

  it('docs/decisions/README.md lists every decision', () => {
    const listed = [...textOf('docs/decisions/README.md').matchAll(/\((\d{4}-[\w-]+\.md)\)/g)]
    expect(namesOf(listed)).toEqual(globSync('[0-9]*.md', { cwd: join(root, 'docs', 'decisions') }).toSorted())
  })

  it('docs/operations.md has every metric of ours, and no other', async () => {
    const { text } = await openMetrics().page()
    const own = [...text.matchAll(/^# TYPE (cratework_(?!process_|nodejs_)\w+)/gm)]
    const told = [...textOf('docs/operations.md').matchAll(/^\| `(cratework_\w+)`/gm)]
    expect(namesOf(told)).toEqual(namesOf(own))
  })

  it('docs/provider.md has every fault of the simulator, and no other', () => {
    const own = [...textOf('src/dev/simulator/faults.ts').matchAll(/^ {2}'?(\w+)'?: '(?:refuse|answer|image|url)',$/gm)]
    const [, table = ''] = textOf('docs/provider.md').split('| what they do')
    const told = [...(table.split('\n\n')[0] ?? '').matchAll(/`(\w+)`/g)]
    expect(own.length).toBeGreaterThan(30)
    expect(namesOf(told)).toEqual(namesOf(own))
  })
})
