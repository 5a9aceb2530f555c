/** Seeds that nobody has run before, for `npm test` and `npm run search`, and what came of them. */
import { execFileSync } from 'node:child_process';
import { at, root } from './paths.mjs';
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
