import { glob, readFile } from 'node:fs/promises'
import { join } from 'node:path'

/** What neither the compiler nor the linter can say, by the text of a file. */
interface HouseRule {
  readonly says: string
  /** Paths from the root, with `/`. */
  readonly where: RegExp
  readonly except?: RegExp
  readonly breaks: (path: string, text: string) => boolean
}

/** What was written before there was a repository, by name, section or number. */
const unreachable =
  /\b(runcrate-api|reliability-webhooks|bullmq|design|contract)\.md\b|\bcontract sections?\b|\bfeasibility\b|\(P\d/

const rules: readonly HouseRule[] = [
  {
    says: 'a drawer is no name for a file: say which noun owns the idea',
    where: /^(src|test|bench)\//,
    breaks: (path) => /\/(utils?|helpers?|common|misc|types|interfaces|index)(\.ts|\/)/.test(path),
  },
  {
    says: 'no comment talks a tool out of its finding',
    where: /^(src|test|bench|scripts)\//,
    breaks: (_, text) => /(\/\/|\/\*)\s*(oxlint-|eslint-|@ts-(ignore|expect-error|nocheck))/.test(text),
  },
  {
    says: 'no cast through unknown',
    where: /^(src|test|bench|scripts)\//,
    breaks: (_, text) => /\bas unknown as\b/.test(text),
  },
  {
    says: 'the time of day comes by Clock',
    where: /^src\//,
    except: /^src\/(dev\/|shared\/process\/clock\.ts$)/,
    breaks: (_, text) => /\bnew Date\(\s*\)|(?<!new )\bDate\(\)/.test(text),
  },
  {
    says: 'a page that is not in the repository explains nothing: say the fact, or point into docs/',
    where: /^/,
    except: /^scripts\/house-rules\.ts$/,
    breaks: (_, text) => unreachable.test(text),
  },
  {
    says: 'a test stands on the real thing, not on a mock of a module',
    where: /^test\//,
    breaks: (_, text) => /\bvi\.(mock|doMock|hoisted)\(/.test(text),
  },
]

/** Every breach of a rule of the house below `root`, a line each. */
export async function houseFaults(root: string): Promise<string[]> {
  const faults: string[] = []
  const files = ['{src,test,bench,scripts}/**/*.{ts,mjs,lua}', 'docs/**/*.md', '*.md']
  for await (const found of glob(files, { cwd: root })) {
    const path = found.replaceAll('\\', '/')
    if (path.startsWith('test/unit/house/')) continue // which shows what is forbidden
    faults.push(...faultsOf(path, await readFile(join(root, path), 'utf8')))
  }
  return faults.toSorted()
}

/** The rules that one file breaks. */
export function faultsOf(path: string, text: string): string[] {
  return rules
    .filter(({ where, except }) => where.test(path) && except?.test(path) !== true)
    .filter(({ breaks }) => breaks(path, text))
    .map(({ says }) => `${path}: ${says}`)
}
