import { defineConfig } from 'vitest/config';
import { vitePlugins } from './test/mutants/plugins.ts';

/** Test builds alone know of it: docs/MUTANTS.md. */
const mutant = process.env.PAXOSCTL_MUTANT;
const full = process.env.PAXOSCTL_TEST_FULL === '1';

export default defineConfig({
  plugins: vitePlugins(mutant),
  test: {
    include: ['test/**/*.test.ts'],
    exclude: full ? [] : ['test/full/**'],
    // Empty when mutants are tried: those tests run no command line, which would be built without the mutant.
    globalSetup: mutant === undefined ? ['test/global-setup.mjs'] : [],
    // Real processes are started and killed by many tests, and a stuck one must not take the others along.
    setupFiles: ['test/support/own-state.ts'],
    pool: 'forks',
    maxWorkers: 2,
    testTimeout: 60_000,
    hookTimeout: 30_000,
    disableConsoleIntercept: true,
    reporters: ['default', './test/plain-reporter.mjs'],
  },
});
