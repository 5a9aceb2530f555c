import { defineConfig } from 'vitest/config';

const full = process.env.PAXOSCTL_TEST_FULL === '1';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    exclude: full ? [] : ['test/full/**'],
    globalSetup: ['test/global-setup.mjs'],
    // Real processes are started and killed by many tests, and a stuck one must not take the others along.
    pool: 'forks',
    maxWorkers: 2,
    testTimeout: 30_000,
    hookTimeout: 30_000,
    disableConsoleIntercept: true,
    reporters: ['default', './test/plain-reporter.mjs'],
  },
});
