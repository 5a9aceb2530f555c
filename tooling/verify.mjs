/** `npm run verify`: the static checks and the tidy test, in seconds. Changes nothing of the sources. */
import './node-version.mjs';
import { runChecks } from './checks.mjs';
import { installOrExit } from './install.mjs';
import { runVitest } from './vitest.mjs';

await installOrExit();
const checks = await runChecks();
const tests = await runVitest(['test/tidy.test.ts']);
const failed = checks.failed + tests.failed;
process.stdout.write(`${checks.passed + tests.passed} passed, ${failed} failed\n`);
process.exitCode = failed > 0 ? 1 : 0;
