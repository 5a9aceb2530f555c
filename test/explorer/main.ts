/**
 * The explorer's command line, run from a bundle (`npm run explore -- …`).
 *
 * Exit code 0 when no rule was broken, 1 when one was, 2 for arguments that mean nothing, 3 when an exhaustive search ended before it had
 * looked at all states. Results go to stdout, progress to stderr.
 */
import { parseArgs } from 'node:util';
import { isMainThread } from 'node:worker_threads';
import { runExhaustive } from './command-exhaustive.ts';
import { runRandom, workAsJob } from './command-random.ts';

const usage = `Explores the consensus core alone.

  npm run explore -- --schedules 5000000 --seed 1 [--jobs 2]   random schedules
  npm run explore -- --seconds 60                              as many as fit
  npm run explore -- --seed S --first N --schedules 1          one schedule again
  npm run explore -- --exhaustive [--scope NAME]               every state of the small scopes

  --seconds ends an exhaustive search early, too: then the exit code is 3
  --json     one object on stdout
  --rejoin same-identity
             lost disks come back empty under the same identity, which is wrong: shows that the explorer would notice`;

/** @throws {RangeError} for what would have no effect. */
function checkCombination(values: Readonly<Record<string, unknown>>): void {
  const { exhaustive, scope } = values;
  if (exhaustive !== true && scope !== undefined) throw new RangeError('--scope goes with --exhaustive');
  const unused = ['seed', 'schedules', 'first', 'jobs'].find((name) => values[name] !== undefined);
  if (exhaustive === true && unused !== undefined) throw new RangeError(`--${unused} goes with random schedules only`);
}

if (!isMainThread) workAsJob();
else {
  try {
    const { values } = parseArgs({
      options: {
        seed: { type: 'string' },
        schedules: { type: 'string' },
        seconds: { type: 'string' },
        first: { type: 'string' },
        jobs: { type: 'string' },
        exhaustive: { type: 'boolean' },
        scope: { type: 'string' },
        rejoin: { type: 'string' },
        json: { type: 'boolean' },
        help: { type: 'boolean' },
      },
    });
    if (values.help === true) process.stdout.write(`${usage}\n`);
    else {
      checkCombination(values);
      process.exitCode = values.exhaustive === true ? runExhaustive(values) : await runRandom(values);
    }
  } catch (error) {
    if (!(error instanceof RangeError || (error instanceof TypeError && 'code' in error))) throw error;
    process.stderr.write(`${error.message}\n\n${usage}\n`);
    process.exitCode = 2;
  }
}
