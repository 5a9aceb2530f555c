/**
 * Before any test: `bin/run.js` runs what the sources say now, also when vitest was started by itself.
 *
 * When the sources do not bundle, the tests that need no command line still run; the others must not run old code, so
 * there is none left to run.
 */
import { rmSync } from 'node:fs';
import { ensureBundle } from '../tooling/build.mjs';
import { at, say } from '../tooling/paths.mjs';

export async function setup() {
  try {
    await ensureBundle();
  } catch (error) {
    rmSync(at('dist', 'main.cjs'), { force: true });
    say(`The command line could not be built; tests that run it will fail.\n${error.message}`);
  }
}
