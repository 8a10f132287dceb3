import { defineConfig } from 'vitest/config'

// What the caller's shell configures is not for tests: a real key would pay, a real bucket would be written to.
const ours = /^(RUNCRATE|CRATEWORK|REDIS|S3|WEBHOOK|WORKER|METRICS|OTEL|LOG|ITEM|SWEEP|RETRY|SHUTDOWN)_|^(PORT|HOST)$/
for (const name of Object.keys(process.env)) {
  if (ours.test(name) && !name.startsWith('CRATEWORK_TEST_')) Reflect.deleteProperty(process.env, name)
}

/** Tests that talk to a real Redis and a real S3: one process a file, so that signals and exits stay its own. */
function wet(name: string, testTimeout: number) {
  return {
    extends: true as const,
    test: {
      name,
      include: [`test/${name}/**/*.test.ts`],
      globalSetup: ['test/support/global.ts'],
      pool: 'forks' as const,
      testTimeout,
      hookTimeout: 60_000,
    },
  }
}

export default defineConfig({
  test: {
    maxWorkers: 2,
    projects: [
      {
        extends: true,
        test: { name: 'unit', include: ['test/unit/**/*.test.ts'], pool: 'forks', isolate: false, testTimeout: 10_000 },
      },
      wet('integration', 30_000),
      wet('conformance', 30_000),
      wet('e2e', 120_000),
    ],
  },
})
