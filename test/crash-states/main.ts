/** `npm run crash-states -- [--limit N] [--seed S] [--json]`: exit code 1 when a crash was not survived. */
import { optionsOf, wholeNumberOf } from '../../tooling/options.mjs';
import { crashStates, scriptedLives } from './enumerate.ts';

const usage = `Crashes scripted lives after every step, in every way, and recovers from each.

  npm run crash-states -- [OPTIONS]

  --limit N      states at most, left out evenly (100000)
  --persists N   requests to persist in the life of the cell of one, at least (520)
  --seed S       of the lives and of what is sampled (1)
  --json         one object on stdout
`;

const values = optionsOf(
  {
    limit: { type: 'string', default: '100000' },
    persists: { type: 'string', default: '520' },
    seed: { type: 'string', default: '1' },
    json: { type: 'boolean', default: false },
  },
  usage,
);
const limit = wholeNumberOf('limit', values.limit, 1, usage);
const persists = wholeNumberOf('persists', values.persists, 1, usage);
const seed = wholeNumberOf('seed', values.seed, 0, usage);
const again = `npm run crash-states -- --seed ${seed} --persists ${persists} --limit ${limit}`;
const began = performance.now();
process.stderr.write(`Crash states of seed ${seed} …\n`);
const result = await crashStates(await scriptedLives(seed, persists), {
  seed,
  limit,
  onProgress: ({ states, statesInRecovery }) => {
    if (process.stderr.isTTY) process.stderr.write(`\r${states} states, ${statesInRecovery} in recovery `);
  },
});
const seconds = (performance.now() - began) / 1000;
if (values.json) {
  process.stdout.write(`${JSON.stringify({ ...result, seconds, replay: again })}\n`);
} else {
  const { problems, ...counts } = result;
  for (const [what, count] of Object.entries({
    ...counts,
    seconds: seconds.toFixed(1),
    'found wrong': problems.length,
  })) {
    process.stdout.write(`${what.padEnd(20)} ${count}\n`);
  }
  for (const problem of problems) process.stdout.write(`${JSON.stringify(problem)}\n`);
  if (problems.length > 0) process.stdout.write(`\nTo see it again:\n  ${again}\n`);
}
if (result.problems.length > 0) process.exitCode = 1;
