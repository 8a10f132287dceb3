import { execFile } from 'node:child_process'
import { cp, mkdir, mkdtemp, readdir, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { levels } from '../../../oxlint.config.ts'

// A linter that is set up wrongly finds nothing and says so proudly: here each rule that the house stands on is seen to
// fail, at a place where it must, and to keep quiet at its twin.

interface Case {
  /** The rule in plain words. */
  says: string
  /** What oxlint calls it. */
  rule: string
  /** The file or folder where `bad` lies. */
  path: string
  /** `$` in a name becomes the case's number. */
  bad: string
  /** Lies beside it, or at `cleanPath`. */
  clean: string
  cleanPath?: string
}

const imports = 'eslint(no-restricted-imports)'
const properties = 'eslint(no-restricted-properties)'
const globals = 'eslint(no-restricted-globals)'

function importCase(says: string, path: string, bad: string, clean: string, cleanPath?: string): Case {
  const use = (from: string): string => `import { thing as thing$ } from '${from}'\n\nexport const used$ = [thing$]\n`
  const twin = cleanPath === undefined ? {} : { cleanPath }
  return { says, rule: imports, path, bad: use(bad), clean: use(clean), ...twin }
}

const directions: Case[] = [
  importCase('contract stands on failures alone', 'src/shared/contract', '../config/x.ts', '../failures/x.ts'),
  importCase('failures looks at no store', 'src/shared/failures', '../redis/x.ts', '../contract/x.ts'),
  importCase('config does not look up to the ledger', 'src/shared/config', '../ledger/x.ts', '../contract/x.ts'),
  importCase('process does not look up to events', 'src/shared/process', '../events/x.ts', '../config/x.ts'),
  importCase('redis does not look up to queues', 'src/shared/redis', '../queues/x.ts', '../config/x.ts'),
  importCase('outbound does not look up to webhooks', 'src/shared/outbound', '../webhooks/x.ts', '../process/x.ts'),
  importCase('models does not look up to intake', 'src/shared/models', '../intake/x.ts', '../contract/x.ts'),
  importCase('queues does not look up to batch', 'src/shared/queues', '../batch/x.ts', '../redis/x.ts'),
  importCase('ledger does not look up to money', 'src/shared/ledger', '../money/x.ts', '../failures/x.ts'),
  importCase('events does not look up to lanes', 'src/shared/events', '../lanes/x.ts', '../redis/x.ts'),
  importCase('money does not look up to batch', 'src/shared/money', '../batch/x.ts', '../redis/x.ts'),
  importCase('lanes does not look up to batch', 'src/shared/lanes', '../batch/x.ts', '../events/x.ts'),
  importCase('webhooks does not look up to batch', 'src/shared/webhooks', '../batch/x.ts', '../events/x.ts'),
  importCase('batch does not look up to intake', 'src/shared/batch', '../intake/x.ts', '../ledger/x.ts'),
  importCase('intake knows no floor', 'src/shared/intake', '../../api/x.ts', '../batch/x.ts'),
  importCase(
    'a file further down is held to the same',
    'src/shared/intake/readers',
    '../../../worker/x.ts',
    '../item.ts',
  ),
  importCase(
    'a new folder of shared is closed until it has its place',
    'src/shared/novel',
    '../contract/x.ts',
    './x.ts',
  ),
  importCase('the API knows nothing of generating', 'src/api/routes', '../../worker/x.ts', '../../shared/batch/x.ts'),
  importCase('the worker knows nothing of routes', 'src/worker', '../api/x.ts', '../shared/batch/x.ts'),
  importCase('generating knows nothing of routes', 'src/worker/generate', '../../api/x.ts', '../provider/client.ts'),
  importCase('nobody depends on dev', 'src/worker', '../dev/x.ts', './x.ts'),
  importCase(
    'a client command sees the contract alone',
    'src/cli/commands',
    '../../shared/batch/x.ts',
    '../../shared/contract/x.ts',
  ),
  importCase('a client command does not start the API', 'src/cli/commands', '../../api/x.ts', '../terminal.ts'),
  importCase(
    'the simulator shares no code with the client',
    'src/dev/simulator',
    '../../worker/provider/x.ts',
    '../../shared/models/x.ts',
  ),
  importCase('the S3 server shares no code with the ledger', 'src/dev/s3', '../../shared/ledger/x.ts', './x.ts'),
  {
    says: 'a type is a dependence too',
    rule: imports,
    path: 'src/api',
    bad: "import type { Thing } from '../worker/x.ts'\n\nexport type Mine = Thing\n",
    clean: "import type { Thing } from '../shared/batch/x.ts'\n\nexport type Mine = Thing\n",
  },
  {
    says: 'so is a dynamic import, outside of the entry point',
    rule: imports,
    path: 'src/api/lazy.ts',
    bad: "export const start = async (): Promise<unknown> => import('../worker/main.ts')\n",
    clean: "export const start = async (): Promise<unknown> => import('../worker/main.ts')\n",
    cleanPath: 'src/cli/main.ts',
  },
]

const doors: Case[] = [
  importCase('ioredis only in redis', 'src/shared/queues', 'ioredis', 'ioredis', 'src/shared/redis'),
  importCase('bullmq only in queues', 'src/worker', 'bullmq', 'bullmq', 'src/shared/queues'),
  importCase('the S3 SDK only in ledger', 'src/api', '@aws-sdk/client-s3', '@aws-sdk/client-s3', 'src/shared/ledger'),
  importCase('express only in the API', 'src/worker', 'express', 'express', 'src/api'),
  importCase('sharp only in generate', 'src/api', 'sharp', 'sharp', 'src/worker/generate'),
  importCase('undici only outbound', 'src/shared/webhooks', 'undici', 'undici', 'src/shared/outbound'),
  importCase(
    'undici only in the client of the provider',
    'src/worker/provider/pace.ts',
    'undici',
    'undici',
    'src/worker/provider/client.ts',
  ),
  importCase('processes only in dev', 'src/cli', 'node:child_process', 'node:child_process', 'src/dev'),
  importCase(
    'timers only in the clock',
    'src/worker',
    'node:timers/promises',
    'node:timers/promises',
    'src/shared/process/clock.ts',
  ),
  importCase('the environment by no other name', 'src/shared/batch', 'node:process', 'node:path'),
  {
    says: 'requests by node:http only outbound; servers anywhere',
    rule: imports,
    path: 'src/api',
    bad: "import { request } from 'node:http'\n\nexport const ask = [request]\n",
    clean: "import { createServer } from 'node:http'\n\nexport const listen = [createServer]\n",
  },
  {
    says: 'random bytes only in random; hashes anywhere',
    rule: imports,
    path: 'src/shared/intake',
    bad: "import { randomUUID } from 'node:crypto'\n\nexport const id = [randomUUID]\n",
    clean: "import { createHash } from 'node:crypto'\n\nexport const hash = [createHash]\n",
  },
  {
    says: 'random bytes in random',
    rule: imports,
    path: 'src/shared/process',
    bad: "import { randomBytes as b$ } from 'node:crypto'\n\nexport const bytes$ = [b$]\n",
    clean: "import { randomBytes as b$ } from 'node:crypto'\n\nexport const bytes$ = [b$]\n",
    cleanPath: 'src/shared/process/random.ts',
  },
  {
    says: 'import type is free at a door',
    rule: imports,
    path: 'src/worker',
    bad: "import { Queue } from 'bullmq'\n\nexport const all = [Queue]\n",
    clean: "import type { Queue } from 'bullmq'\n\nexport type All = Queue[]\n",
  },
]

function reachCase(says: string, rule: string, expression: string, cleanPath: string): Case {
  const text = `export const used$ = (): unknown => ${expression}\n`
  return { says, rule, path: 'src/worker', bad: text, clean: text, cleanPath }
}

const reaches: Case[] = [
  reachCase('process.env only in load', properties, 'process.env.PORT', 'src/shared/config/load.ts'),
  reachCase('Date.now only in the clock', properties, 'Date.now()', 'src/shared/process/clock.ts'),
  reachCase('performance.now only in the clock', properties, 'performance.now()', 'src/shared/process/clock.ts'),
  reachCase('setTimeout only in the clock', globals, 'setTimeout(String, 1)', 'src/shared/process/clock.ts'),
  reachCase('setInterval only in the clock', globals, 'setInterval(String, 1)', 'src/shared/process/clock.ts'),
  reachCase(
    'no way round by globalThis',
    properties,
    'globalThis.setTimeout(String, 1)',
    'src/shared/process/clock.ts',
  ),
  reachCase('Math.random only in random', properties, 'Math.random()', 'src/shared/process/random.ts'),
  reachCase('crypto.randomUUID only in random', properties, 'crypto.randomUUID()', 'src/shared/process/random.ts'),
  reachCase('fetch only outbound', globals, "fetch('http://a.test')", 'src/shared/outbound'),
  reachCase(
    'fetch only in the client of the provider',
    globals,
    "fetch('http://a.test')",
    'src/worker/provider/client.ts',
  ),
  reachCase('dev is free of these doors', globals, "fetch('http://a.test')", 'src/dev'),
  reachCase('the console only in scripts', 'eslint(no-console)', "console.log('hm')", 'scripts'),
]

const promise = 'const later = async (): Promise<void> => Promise.resolve()\n'
const manners: Case[] = [
  {
    says: 'no promise is left floating',
    rule: 'typescript(no-floating-promises)',
    path: 'src/worker',
    bad: `${promise}export const go = (): void => {\n  later()\n}\n`,
    clean: `${promise}export const go = async (): Promise<void> => {\n  await later()\n}\n`,
  },
  {
    says: 'no any',
    rule: 'typescript(no-explicit-any)',
    path: 'src/worker',
    bad: 'export const any = (value: any): boolean => value === 1\n',
    clean: 'export const any = (value: unknown): boolean => value === 1\n',
  },
  {
    says: 'no any by the back door',
    rule: 'typescript(no-unsafe-assignment)',
    path: 'src/worker',
    bad: "export const read = (): unknown => {\n  const value = JSON.parse('1')\n  return value\n}\n",
    clean: "export const read = (): unknown => {\n  const value: unknown = JSON.parse('1')\n  return value\n}\n",
  },
  {
    says: 'no default export',
    rule: 'import(no-default-export)',
    path: 'src/worker',
    bad: 'export default 1\n',
    clean: 'export const one = 1\n',
  },
  {
    says: 'a configuration may have one',
    rule: 'import(no-default-export)',
    path: 'src/worker',
    bad: 'export default 1\n',
    clean: 'export default 1\n',
    cleanPath: 'some.config.ts',
  },
  {
    says: 'no comment talks the linter out of it',
    rule: 'typescript(no-explicit-any)',
    path: 'src/worker',
    bad: '// eslint-disable-next-line\nexport const any = (value: any): boolean => value === 1\n',
    clean: '// a plain comment\nexport const any = (value: unknown): boolean => value === 1\n',
  },
  {
    says: 'no comment talks the compiler out of it',
    rule: 'typescript(ban-ts-comment)',
    path: 'src/worker',
    bad: "// @ts-ignore\nexport const one: number = 'one'\n",
    clean: 'export const one: number = 1\n',
  },
  {
    says: 'no file that only passes on',
    rule: 'oxc(no-barrel-file)',
    path: 'src/worker',
    bad: "export * from './round-a.ts'\n",
    clean: 'export const own = 1\n',
  },
  {
    says: 'a switch over a union has all its cases',
    rule: 'typescript(switch-exhaustiveness-check)',
    path: 'src/worker',
    bad: "export const say = (x: 'a' | 'b'): void => {\n  switch (x) {\n    case 'a':\n  }\n}\n",
    clean: "export const say = (x: 'a' | 'b'): void => {\n  switch (x) {\n    case 'a':\n    case 'b':\n  }\n}\n",
  },
  {
    says: 'a test expects something',
    rule: 'vitest(expect-expect)',
    path: 'test/unit/some.test.ts',
    bad: "import { it } from 'vitest'\n\nit('does nothing', () => undefined)\n",
    clean: "import { expect, it } from 'vitest'\n\nit('does', () => {\n  expect(1).toBe(1)\n})\n",
    cleanPath: 'test/unit/other.test.ts',
  },
]

const cases = [...directions, ...doors, ...reaches, ...manners]

let folder: string
let found: { file: string; rule: string }[]

/** A path of a folder gets a file name of its own. */
function fileOf(one: Case, kind: 'bad' | 'clean'): string {
  const path = kind === 'clean' ? (one.cleanPath ?? dirnameOfFile(one.path)) : one.path
  return path.endsWith('.ts') ? path : `${path}/${kind}-${String(cases.indexOf(one))}.ts`
}

function dirnameOfFile(path: string): string {
  return path.endsWith('.ts') ? dirname(path) : path
}

async function lint(root: string, files: Record<string, string>): Promise<{ file: string; rule: string }[]> {
  for (const [path, text] of Object.entries(files)) {
    await mkdir(dirname(join(root, path)), { recursive: true })
    await writeFile(join(root, path), text)
  }
  const program = join(root, 'node_modules', 'oxlint', 'bin', 'oxlint')
  const folders = ['src', 'test', 'scripts', 'some.config.ts'] // all but the linked node_modules
  const output = await new Promise<string>((resolve, reject) => {
    execFile(
      process.execPath,
      [program, '--format=json', ...folders],
      { cwd: root, maxBuffer: 2 ** 26 },
      (error, stdout, stderr) => {
        if (stdout.startsWith('{')) resolve(stdout)
        else reject(new Error(`oxlint gave no report: ${stdout}${stderr}`, { cause: error }))
      },
    )
  })
  const report = JSON.parse(output) as { diagnostics: { filename: string; code: string }[] }
  return report.diagnostics.map(({ filename, code }) => ({ file: filename, rule: code }))
}

beforeAll(async () => {
  const root = join(import.meta.dirname, '..', '..', '..')
  folder = await mkdtemp(join(tmpdir(), 'lint-test-'))
  for (const name of ['oxlint.config.ts', 'tsconfig.json', 'package.json'])
    await cp(join(root, name), join(folder, name))
  await symlink(join(root, 'node_modules'), join(folder, 'node_modules'), 'dir')
  const files: Record<string, string> = {}
  // Several cases share a file where the rule is about one (the clock, say): the index in place of $ keeps their names apart.
  for (const [index, one] of cases.entries()) {
    for (const kind of ['bad', 'clean'] as const) {
      const file = fileOf(one, kind)
      files[file] = `${files[file] ?? ''}${one[kind].replaceAll('$', String(index))}`
    }
  }
  files['src/worker/round-a.ts'] = "import { b } from './round-b.ts'\n\nexport const a = (): number => b()\n"
  files['src/worker/round-b.ts'] = "import { a } from './round-a.ts'\n\nexport const b = (): number => a()\n"
  found = await lint(folder, files)
}, 60_000)

afterAll(async () => {
  await rm(folder, { recursive: true, force: true })
})

function rulesAt(file: string): string[] {
  return found.filter((one) => one.file === file).map((one) => one.rule)
}

describe('the linter', () => {
  it.each(cases)('$says', (one) => {
    expect(rulesAt(fileOf(one, 'bad'))).toContain(one.rule)
    expect(rulesAt(fileOf(one, 'clean'))).not.toContain(one.rule)
  })

  it('sees imports that go round in a circle', () => {
    expect(rulesAt('src/worker/round-a.ts')).toContain('import(no-cycle)')
  })

  it('knows every folder of src/shared', async () => {
    const entries = await readdir(join(import.meta.dirname, '..', '..', '..', 'src', 'shared'), { withFileTypes: true })
    const folders = entries.filter((entry) => entry.isDirectory()).map((entry) => entry.name)
    expect(levels.flat()).toEqual(expect.arrayContaining(folders))
  })

  it('lets no file lie in src/shared itself', async () => {
    const entries = await readdir(join(import.meta.dirname, '..', '..', '..', 'src', 'shared'), { withFileTypes: true })
    expect(entries.filter((entry) => entry.isFile()).map((entry) => entry.name)).toEqual([])
  })
})
