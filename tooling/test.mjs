/**
 * `npm test`: installs and builds what is not up to date, then checks and tests everything.
 *
 * `--full` adds test/full/** (many minutes). `--rewrite-scenarios` writes the transcripts in test/scenarios anew. Anything
 * else goes to vitest (files, `-t NAME`), and the static checks and fresh seeds are left out then. The last line on stdout is
 * `N passed, N failed`; the exit code is 0 only when nothing failed.
 */
import './node-version.mjs';
import { build } from './build.mjs';
import { checks, runChecks, typesOfProduct } from './checks.mjs';
import { startFreshSeeds } from './fresh-seeds.mjs';
import { ensureInstalled } from './install.mjs';
import { say } from './paths.mjs';
import { runVitest } from './vitest.mjs';

const options = new Set(['--full', '--rewrite-scenarios']);
const asked = new Set(process.argv.slice(2).filter((arg) => options.has(arg)));
const rest = process.argv.slice(2).filter((arg) => !options.has(arg));
const env = {
  ...(asked.has('--full') ? { PAXOSCTL_TEST_FULL: '1' } : {}),
  ...(asked.has('--rewrite-scenarios') ? { PAXOSCTL_REWRITE_SCENARIOS: '1' } : {}),
};
if (asked.has('--rewrite-scenarios') && rest.length === 0) rest.push('test/scenarios');

let passed = 0;
let failed = 0;
const count = (part) => {
  passed += part.passed;
  failed += part.failed;
};

/** What is built is asked for by all tests, and by no check. */
const built = { name: 'types of commands and src, library, command line, manifest', work: build };
const others = checks.filter((check) => check !== typesOfProduct);

async function testAll() {
  count(await runChecks(rest.length === 0 ? [built, ...others] : [built]));
  const seeds = rest.length === 0 ? startFreshSeeds() : null;
  try {
    count(await runVitest(rest, env));
  } finally {
    if (seeds !== null) count(await seeds.end());
  }
}

/** Where something of the tests themselves fails, that counts as one failure. */
async function attempt(work, explain) {
  try {
    await work();
    return true;
  } catch (error) {
    say(explain(error));
    failed += 1;
    return false;
  }
}

const isInstalled = await attempt(ensureInstalled, ({ message }) => message);
if (isInstalled) await attempt(testAll, (error) => error.stack ?? String(error));
process.stdout.write(`${passed} passed, ${failed} failed\n`);
process.exitCode = failed > 0 ? 1 : 0;
