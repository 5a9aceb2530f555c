/** Seeds that nobody has run before, for `npm test` and `npm run search`, and what came of them. */
import { execFileSync } from 'node:child_process';
import os from 'node:os';
import { at, root, say } from './paths.mjs';
import { runNode } from './run.mjs';

/** Commits have so many numbers each, so that the seeds of two of them do not overlap. */
const seedsOfCommit = 1_000;
const commits = 1_000_000;

/** The commit that is checked out, or null outside of a repository. */
export function commit() {
  try {
    return execFileSync('git', ['rev-parse', 'HEAD'], { cwd: root, stdio: ['ignore', 'pipe', 'ignore'] })
      .toString()
      .trim();
  } catch {
    return null;
  }
}

/** The same for the same commit, so that a red build stays red until somebody mends it; for the same day without one. */
export function seedOfCommit() {
  const hash = commit();
  const number = hash === null ? Math.floor(Date.now() / 86_400_000) : Number.parseInt(hash.slice(0, 8), 16);
  return (number % commits) * seedsOfCommit + 1;
}

/**
 * Runs `paxosctl simulate --json` with these arguments; its progress goes to stderr.
 *
 * @param {readonly string[]} args
 * @param {{ quiet?: boolean }} [options] `quiet` leaves the progress out.
 * @returns {Promise<object>} its document.
 * @throws {Error} when it did not end with one.
 */
export async function simulate(args, { quiet = false } = {}) {
  const { code, output } = await runNode([at('bin', 'run.js'), 'simulate', ...args, '--json'], {
    stdio: quiet ? 'answer' : 'result',
  });
  let document;
  try {
    document = JSON.parse(output);
  } catch {
    throw new Error(`paxosctl simulate ended with ${code} and said: ${output}`);
  }
  if (document.error !== undefined) throw new Error(document.error.message);
  return document;
}

/** A violation in a few lines, with the commands that lead on. */
export function violationLines({ property, means, message, facts, trace, replay, shrink }) {
  const events = trace.slice(-20).map((line) => `    ${line}`);
  const lines = [`${property}: ${means}`, message, JSON.stringify(facts), ...events];
  return [...lines, `See it again: ${replay}`, `Make it small: ${shrink} --output small.json`].join('\n');
}

/**
 * Whole simulated cells of seeds that belong to this commit: PAXOSCTL_SIMULATION_SEEDS of them (0 for none), and no new one after
 * PAXOSCTL_SIMULATION_TIME, since a busy machine must not fail for being slow.
 *
 * @returns {Promise<{ passed: number, failed: number }>} as one test.
 */
export async function freshSeeds() {
  const { PAXOSCTL_SIMULATION_SEEDS: wanted = '300', PAXOSCTL_SIMULATION_TIME: time = '90s' } = process.env;
  if (wanted === '0') return { passed: 0, failed: 0 };
  const seed = process.env.PAXOSCTL_SIMULATION_SEED ?? String(seedOfCommit());
  say(`Fresh seeds: ${wanted} from ${seed} on, for at most ${time} …`);
  const started = performance.now();
  const jobs = String(os.availableParallelism());
  const result = await simulate(['--seed', seed, '--runs', wanted, '--for', time, '--jobs', jobs], { quiet: true });
  const { runs, simulatedHours, operations, ok, violation } = result;
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  const late = ok && runs < Number(wanted) ? `, of ${wanted}: the time was over` : '';
  const what = `${runs} fresh seeds from ${seed} on${late}: ${simulatedHours.toFixed(1)} simulated hours, ${operations} operations`;
  if (ok) say(`✓ ${what} (${seconds} s)`);
  else say(`✗ ${what} (${seconds} s)\nSeed ${violation.seed} violates ${violationLines(violation)}`);
  return ok ? { passed: 1, failed: 0 } : { passed: 0, failed: 1 };
}
