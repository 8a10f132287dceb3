import { defineConfig } from 'oxlint'
import type { OxlintOverride } from 'oxlint'

// The direction of dependence and the one door of each outside thing, as tables (docs/architecture.md says why).
// test/unit/house/lint.test.ts sees each rule fail. Imports are matched by their text, so they are relative, and no
// alias is configured anywhere. `import type` is free at the doors, and not in the direction.

/** Inside `src/shared`: a folder may import from its own level and those before it. */
export const levels = [
  ['contract', 'failures'],
  ['config', 'process', 'redis', 'outbound', 'models'],
  ['queues', 'ledger', 'events'],
  ['money', 'lanes', 'webhooks'],
  ['batch'],
  ['intake'],
  ['parts'],
]
const floors = ['api', 'worker', 'cli', 'dev']

const door = 'Each outside thing has one door, and this file is not the one for this.'
const time = 'Time comes by Clock, handed down (src/shared/process/clock.ts).'
const chance = 'Randomness comes by Random, handed down (src/shared/process/random.ts).'
const environment = 'The environment is read in src/shared/config/load.ts alone.'
const http = 'HTTP out: only src/shared/outbound/ and src/worker/provider/client.ts.'

/** Modules behind a door; a folder's entry in `houses` names those that it is the door of. */
const doors = {
  redis: { regex: '^ioredis$', allowTypeImports: true, message: door },
  queue: { regex: '^bullmq$', allowTypeImports: true, message: door },
  s3: { regex: '^(@aws-sdk|@smithy)/', allowTypeImports: true, message: door },
  express: { regex: '^(express|helmet)$', allowTypeImports: true, message: door },
  sharp: { regex: '^sharp$', allowTypeImports: true, message: door },
  processes: {
    regex: '^(node:)?(child_process|cluster|worker_threads)$',
    allowTypeImports: true,
    message: 'Processes are started in src/dev/ alone.',
  },
  environment: { regex: '^(node:)?process$', message: environment },
  timers: { regex: '^(node:)?timers(/promises)?$', message: time },
  perfHooks: { regex: '^(node:)?perf_hooks$', importNames: ['performance', 'default'], message: time },
  random: {
    regex: '^(node:)?crypto$',
    importNames: ['randomBytes', 'randomInt', 'randomUUID', 'randomFill', 'randomFillSync', 'webcrypto', 'default'],
    message: chance,
  },
  undici: { regex: '^(undici|(node:)?http2)$', allowTypeImports: true, message: http },
  http: { regex: '^(node:)?https?$', importNames: ['request', 'get', 'default'], message: http },
}
type Door = keyof typeof doors

function mayNotImport(folders: readonly string[], message: string) {
  return { regex: `(^|/)(${folders.join('|')})/`, message }
}

/** A part of the tree: which way it may look, and which doors are its own. A later one replaces an earlier. */
function house(files: string[], direction: { regex: string; message: string }, own: Door[] = []): OxlintOverride {
  const closed = Object.entries(doors).filter(([name]) => !own.some((one) => one === name))
  const patterns = [direction, ...closed.map(([, pattern]) => pattern)]
  return { files, rules: { 'no-restricted-imports': ['error', { patterns }] } }
}

/** Folders of shared at one level. */
function shared(names: string[], own: Door[] = []): OxlintOverride {
  const level = levels.findIndex((folders) => folders.includes((names[0] ?? '').split('/')[0] ?? ''))
  const order = levels.map((folders) => folders.join(', ')).join(' < ')
  const above = [...levels.slice(level + 1).flat(), ...floors]
  return house(
    names.map((name) => `src/shared/${name}`),
    mayNotImport(above, `This import goes up. The order inside shared: ${order}.`),
    own,
  )
}

const noApiToWorker = mayNotImport(
  ['worker', 'cli', 'dev'],
  'api -> shared <- worker: the API knows nothing of generating.',
)
const noWorkerToApi = mayNotImport(
  ['api', 'cli', 'dev'],
  'api -> shared <- worker: the worker knows nothing of routes.',
)

const houses: OxlintOverride[] = [
  house(
    ['src/shared/**'],
    mayNotImport(
      [...levels.flat(), ...floors],
      'A new folder of shared first takes its place in the levels of oxlint.config.ts.',
    ),
  ),
  shared(['contract/**', 'failures/**']),
  shared(['config/**', 'process/**', 'models/**']),
  shared(['process/clock.ts'], ['timers', 'perfHooks']),
  shared(['process/random.ts'], ['random']),
  shared(['redis/**'], ['redis']),
  shared(['outbound/**'], ['undici', 'http']),
  shared(['queues/**'], ['queue']),
  shared(['ledger/**'], ['s3']),
  shared(['events/**']),
  shared(['money/**', 'lanes/**', 'webhooks/**']),
  shared(['batch/**']),
  shared(['intake/**']),
  shared(['parts/**']),
  house(['src/api/**'], noApiToWorker, ['express']),
  house(['src/worker/**'], noWorkerToApi),
  house(['src/worker/generate/**'], noWorkerToApi, ['sharp']),
  house(['src/worker/provider/client.ts'], noWorkerToApi, ['undici', 'http']),
  house(
    ['src/cli/**'],
    mayNotImport([...levels.slice(1).flat(), ...floors], 'Client commands see the published contract alone.'),
  ),
  // The one place that may start the others: the table of commands, and how a role is started.
  { files: ['src/cli/main.ts', 'src/cli/{role,recover}.ts'], rules: { 'no-restricted-imports': 'off' } },
  { files: ['src/dev/**'], rules: { 'no-restricted-imports': 'off' } },
  {
    files: ['src/dev/s3/**', 'src/dev/simulator/**'],
    rules: {
      'no-restricted-imports': [
        'error',
        {
          patterns: [
            mayNotImport(
              ['api', 'worker', 'cli', 'ledger', 'outbound'],
              'A stand-in that shares code with the client of what it stands in for shares its mistakes.',
            ),
          ],
        },
      ],
    },
  },
]

/** What needs no import to be reached; each has the files that may. */
const reach = {
  environment: [
    { object: 'process', property: 'env', message: environment },
    { object: 'globalThis', property: 'process', message: environment },
  ],
  time: [
    { object: 'Date', property: 'now', message: time },
    { object: 'performance', property: 'now', message: time },
    { object: 'globalThis', property: 'setTimeout', message: time },
    { object: 'globalThis', property: 'setInterval', message: time },
  ],
  chance: [
    { object: 'Math', property: 'random', message: chance },
    { object: 'crypto', property: 'randomUUID', message: chance },
    { object: 'crypto', property: 'getRandomValues', message: chance },
  ],
  http: [{ object: 'globalThis', property: 'fetch', message: http }],
}
const timerNames = ['setTimeout', 'setInterval'].map((name) => ({ name, message: time }))
const httpNames = ['fetch', 'WebSocket', 'EventSource', 'XMLHttpRequest'].map((name) => ({ name, message: http }))

function mayReach(files: string[], own?: keyof typeof reach): OxlintOverride {
  const closed = Object.entries(reach).filter(([name]) => name !== own)
  const names = [...(own === 'time' ? [] : timerNames), ...(own === 'http' ? [] : httpNames)]
  return {
    files,
    rules: {
      'no-restricted-properties': ['error', ...closed.flatMap(([, properties]) => properties)],
      'no-restricted-globals': ['error', ...names],
    },
  }
}

export default defineConfig({
  plugins: ['eslint', 'typescript', 'unicorn', 'oxc', 'import', 'node', 'promise'],
  categories: { correctness: 'error', suspicious: 'error', perf: 'error' },
  options: {
    typeAware: true,
    denyWarnings: true,
    reportUnusedDisableDirectives: 'error',
    respectEslintDisableDirectives: false,
  },
  env: { node: true, es2024: true },
  ignorePatterns: ['dist/**', 'tools/**', 'coverage/**'],
  rules: {
    'import/first': 'error',
    'import/no-commonjs': 'error',
    'import/no-cycle': 'error',
    'import/no-default-export': 'error',
    'import/no-duplicates': 'error',
    'import/no-mutable-exports': 'error',
    'node/no-path-concat': 'error',
    'oxc/no-barrel-file': ['error', { threshold: 0 }],
    'typescript/ban-ts-comment': 'error',
    'typescript/consistent-type-imports': 'error',
    'typescript/no-deprecated': 'error',
    'typescript/no-dynamic-delete': 'error',
    'typescript/no-empty-object-type': 'error',
    'typescript/no-explicit-any': 'error',
    'typescript/no-floating-promises': 'error',
    'typescript/no-import-type-side-effects': 'error',
    'typescript/no-misused-promises': 'error',
    'typescript/no-namespace': 'error',
    'typescript/no-non-null-assertion': 'error',
    'typescript/no-require-imports': 'error',
    'typescript/no-unsafe-argument': 'error',
    'typescript/no-unsafe-assignment': 'error',
    'typescript/no-unsafe-call': 'error',
    'typescript/no-unsafe-member-access': 'error',
    'typescript/no-unsafe-return': 'error',
    'typescript/only-throw-error': 'error',
    'typescript/prefer-nullish-coalescing': ['error', { ignorePrimitives: { string: true } }],
    'typescript/prefer-optional-chain': 'error',
    'typescript/prefer-promise-reject-errors': 'error',
    'typescript/require-await': 'error',
    'typescript/restrict-plus-operands': 'error',
    'typescript/return-await': ['error', 'error-handling-correctness-only'],
    'typescript/switch-exhaustiveness-check': ['error', { considerDefaultExhaustiveForUnions: true }],
    'typescript/use-unknown-in-catch-callback-variable': 'error',
    'unicorn/error-message': 'error',
    'unicorn/filename-case': 'error',
    'unicorn/no-abusive-eslint-disable': 'error',
    'unicorn/no-instanceof-array': 'error',
    'unicorn/prefer-node-protocol': 'error',
    'unicorn/throw-new-error': 'error',
    'array-callback-return': 'error',
    'no-case-declarations': 'error',
    'no-else-return': 'error',
    'no-empty': 'error',
    'no-eval': 'error',
    'no-fallthrough': 'error',
    'no-implicit-coercion': 'error',
    'no-labels': 'error',
    'no-lonely-if': 'error',
    'no-multi-assign': 'error',
    'no-new-func': 'error',
    'no-param-reassign': ['error', { props: false }],
    'no-redeclare': 'error',
    'no-return-assign': 'error',
    'no-self-compare': 'error',
    'no-sequences': 'error',
    'no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_$' }],
    'no-var': 'error',
    'no-warning-comments': ['error', { terms: ['todo', 'fixme', 'xxx', 'hack'] }],
    'object-shorthand': 'error',
    'prefer-const': 'error',
    'prefer-template': 'error',
    'symbol-description': 'error',
    eqeqeq: 'error',

    // Of the categories above, not ours: matters of taste, or wrong for a server.
    'import/no-named-as-default': 'off',
    'import/no-named-as-default-member': 'off',
    'import/no-unassigned-import': 'off',
    'no-control-regex': 'off', // keys and names are checked for just these
    'no-await-in-loop': 'off', // one after the other is most often what is meant
    'no-underscore-dangle': 'off',
    'no-unmodified-loop-condition': 'off', // others change it while we wait
    'oxc/no-map-spread': 'off',
    'promise/always-return': 'off',
    'typescript/consistent-return': 'off', // tsc sees it
    'typescript/no-unsafe-type-assertion': 'off',
    'typescript/unbound-method': 'off', // what we hand out are records of functions, which have no `this`
    'unicorn/consistent-function-scoping': 'off',
    'unicorn/no-array-reverse': 'off',
    'unicorn/no-array-sort': 'off',
    'unicorn/no-useless-error-capture-stack-trace': 'off',
    'unicorn/prefer-add-event-listener': 'off',
    'unicorn/prefer-set-has': 'off',
    'unicorn/require-post-message-target-origin': 'off',
  },
  overrides: [
    ...houses,
    mayReach(['src/**']),
    mayReach(['src/shared/config/load.ts'], 'environment'),
    mayReach(['src/shared/process/clock.ts'], 'time'),
    mayReach(['src/shared/process/random.ts'], 'chance'),
    mayReach(['src/shared/outbound/**', 'src/worker/provider/client.ts'], 'http'),
    { files: ['src/dev/**'], rules: { 'no-restricted-properties': 'off', 'no-restricted-globals': 'off' } },
    { files: ['src/**'], rules: { 'no-console': 'error', 'max-lines': ['error', { max: 300, skipComments: true }] } },
    // A table that grows by a row a model.
    { files: ['src/shared/models/catalogue.ts'], rules: { 'max-lines': 'off' } },
    {
      // Plain JavaScript, which has no types to look at.
      files: ['scripts/*.mjs'],
      rules: {
        'typescript/no-unsafe-argument': 'off',
        'typescript/no-unsafe-assignment': 'off',
        'typescript/no-unsafe-call': 'off',
        'typescript/no-unsafe-member-access': 'off',
        'typescript/no-unsafe-return': 'off',
      },
    },
    { files: ['*.config.ts'], rules: { 'import/no-default-export': 'off' } },
    {
      files: ['test/**/*.ts'],
      plugins: ['vitest'],
      rules: {
        'typescript/no-unsafe-assignment': 'off', // expect.any() and its like are any
        'vitest/expect-expect': 'error',
        'vitest/no-commented-out-tests': 'error',
        'vitest/no-disabled-tests': 'error',
        'vitest/no-focused-tests': 'error',
        'vitest/no-identical-title': 'error',
        'vitest/valid-expect': ['error', { maxArgs: 2 }], // the second says which case it was
        'vitest/no-standalone-expect': 'off', // a helper may expect too
        // A table of cases may ask more of some of them.
        'vitest/no-conditional-expect': 'off',
      },
    },
  ],
})
