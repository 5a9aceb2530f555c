/** Seeds that nobody has run before, for `npm test` and `npm run search`, and what came of them. */
import { execFileSync } from 'node:child_process';
import os from 'node:os';
import { at, root, say } from './paths.mjs';
import { runNode } from './run.mjs';

/** Commits have so many numbers each, so that the seeds of two of them do not overlap. */
const seedsOfCommit = 1_000;
const commits = 1_000_000;
/** A quiet machine runs more of them while it tests. */
const seedsAtLeast = 60;
const unitMs = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 };

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
 * @param {{ quiet?: boolean, behind?: boolean, interrupt?: AbortSignal }} [options] `quiet` leaves the progress out; the others as
 *   for `run`.
 * @returns {Promise<object>} its document.
 * @throws {Error} when it did not end with one.
 */
export async function simulate(args, { quiet = false, ...how } = {}) {
  const { code, output, signal } = await runNode([at('bin', 'run.js'), 'simulate', ...args, '--json'], {
    stdio: quiet ? 'answer' : 'result',
    ...how,
  });
  // So early that it had nothing to tell yet.
  if (signal === 'SIGINT' && how.interrupt?.aborted === true)
    return { ok: true, runs: 0, simulatedHours: 0, operations: 0 };
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
 * Begins whole simulated cells of seeds that belong to this commit: PAXOSCTL_SIMULATION_SEEDS of them (0 for none). They have what the
 * tests leave of the processors, which mostly wait for processes. When the tests are over no more are begun, but the first of them are
 * given PAXOSCTL_SIMULATION_TIME to come to their end; what is not over by then is left: a busy machine must not fail for being slow.
 *
 * @returns {{ end(): Promise<{ passed: number, failed: number }> }} `end` when the tests are over; they count as one test.
 */
export function startFreshSeeds() {
  const { PAXOSCTL_SIMULATION_SEEDS = '300', PAXOSCTL_SIMULATION_TIME: time = '90s' } = process.env;
  const wanted = Number(PAXOSCTL_SIMULATION_SEEDS);
  if (wanted === 0) return { end: async () => ({ passed: 0, failed: 0 }) };
  const moreMs = millisecondsOf(time);
  const seed = Number(process.env.PAXOSCTL_SIMULATION_SEED ?? seedOfCommit());
  say(
    `Fresh seeds: ${wanted} from ${seed} on, beside the tests, the first ${seedsAtLeast} of them for ${time} after these …`,
  );
  const started = performance.now();
  const testsOver = new AbortController();
  const timeOver = new AbortController();
  const running = inTwoParts({ seed, wanted, testsOver: testsOver.signal, timeOver: timeOver.signal });
  // Whoever ends them hears of it.
  running.catch(() => undefined);
  return {
    end: async () => {
      testsOver.abort();
      const timer = setTimeout(() => timeOver.abort(), moreMs);
      try {
        const result = await running;
        return said(result, { seed, wanted, seconds: ((performance.now() - started) / 1000).toFixed(1) });
      } finally {
        clearTimeout(timer);
      }
    },
  };
}

/** The first seeds until the time is over, then the others until the tests are. */
async function inTwoParts({ seed, wanted, testsOver, timeOver }) {
  const jobs = String(os.availableParallelism());
  const run = (from, runs, interrupt) =>
    simulate(['--seed', String(from), '--runs', String(runs), '--jobs', jobs, '--replicas', 'drawn'], {
      quiet: true,
      behind: true,
      interrupt,
    });
  const first = await run(seed, Math.min(seedsAtLeast, wanted), timeOver);
  if (!first.ok || wanted <= seedsAtLeast || testsOver.aborted) return first;
  const others = await run(seed + seedsAtLeast, wanted - seedsAtLeast, testsOver);
  return {
    ...others,
    runs: first.runs + others.runs,
    simulatedHours: first.simulatedHours + others.simulatedHours,
    operations: first.operations + others.operations,
  };
}

/** @throws {Error} for what is no time. */
function millisecondsOf(time) {
  const [, number, unit] = /^(\d+(?:\.\d+)?)(ms|s|m|h)$/.exec(time) ?? [];
  if (unit === undefined) throw new Error(`PAXOSCTL_SIMULATION_TIME wants a time such as 90s, not "${time}"`);
  return Number(number) * unitMs[unit];
}

function said({ runs, simulatedHours, operations, ok, violation }, { seed, wanted, seconds }) {
  const late = ok && runs < wanted ? `, of ${wanted}: the time was over` : '';
  const what = `${runs} fresh seeds from ${seed} on${late}: ${simulatedHours.toFixed(1)} simulated hours, ${operations} operations`;
  if (ok) say(`✓ ${what} (${seconds} s)`);
  else say(`✗ ${what} (${seconds} s)\nSeed ${violation.seed} violates ${violationLines(violation)}`);
  return ok ? { passed: 1, failed: 0 } : { passed: 0, failed: 1 };
}
