import { defineConfig } from 'vitest/config';
import { vitePlugins } from './test/mutants/plugins.ts';

/** Test builds alone know of it: docs/MUTANTS.md. */
const mutant = process.env.PAXOSCTL_MUTANT;
const full = process.env.PAXOSCTL_TEST_FULL === '1';

/** They start real processes, and a stuck one must not take the others along: each file has a process of its own. */
const withProcesses = ['adapters', 'cell', 'commands', 'full', 'scenarios'].map((name) => `test/${name}/**/*.test.ts`);

export default defineConfig({
  plugins: vitePlugins(mutant),
  test: {
    projects: [
      {
        extends: true,
        test: { name: 'processes', include: withProcesses, exclude: full ? [] : ['test/full/**'] },
      },
      {
        // Files share two processes: to load the same sources for each took a third of their time.
        extends: true,
        test: { name: 'functions', include: ['test/**/*.test.ts'], exclude: withProcesses, isolate: false },
      },
    ],
    // Empty when mutants are tried: those tests run no command line, which would be built without the mutant.
    globalSetup: mutant === undefined ? ['test/global-setup.mjs'] : [],
    setupFiles: ['test/support/own-state.ts'],
    pool: 'forks',
    maxWorkers: 2,
    testTimeout: 60_000,
    hookTimeout: 30_000,
    disableConsoleIntercept: true,
    reporters: ['default', './test/plain-reporter.mjs'],
  },
});
