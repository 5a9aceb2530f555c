/**
 * `npm run search -- --minutes 60`: fresh seeds on all cores until the time is over, whatever they find. The last thing on
 * stdout is the ledger: what was simulated, and each violation with its command.
 *
 * Exit code 4 when there was a violation.
 */
import './node-version.mjs';
import { appendFileSync, readFileSync } from 'node:fs';
import os from 'node:os';
import { ensureBundle } from './build.mjs';
import { commit, simulate, violationLines } from './fresh-seeds.mjs';
import { installOrExit } from './install.mjs';
import { optionsOf } from './options.mjs';
import { at, say } from './paths.mjs';

const usage = `Fresh seeds of the simulator until the time is over, whatever they find.

  npm run search -- [OPTIONS]

  --minutes N                          how long (10)
  --seed S                             the first one (the time)
  --jobs N                             seeds at a time (as many as there are cores)
  --replicas N                         members of each cell (drawn: 1, 3, 5 or 7)
  --hours H, --mode M, --operators O   as for paxosctl simulate
  --ledger FILE                        adds the ledger to this file, too, a line a search
`;

const options = optionsOf(
  {
    minutes: { type: 'string', default: '10' },
    seed: { type: 'string', default: String(Math.floor(Date.now() / 1000)) },
    jobs: { type: 'string', default: String(os.availableParallelism()) },
    replicas: { type: 'string', default: 'drawn' },
    hours: { type: 'string' },
    mode: { type: 'string' },
    operators: { type: 'string' },
    ledger: { type: 'string' },
  },
  usage,
);
const { minutes, seed, jobs, ledger: file } = options;
const passedOn = ['replicas', 'hours', 'mode', 'operators'].flatMap((name) =>
  options[name] === undefined ? [] : [`--${name}`, options[name]],
);

await installOrExit();
await ensureBundle();
const startedAt = new Date();
const args = ['--seed', seed, '--for', `${minutes}m`, '--jobs', jobs, '--keep-going', ...passedOn];
const result = await simulate(args);
const tookMinutes = (Date.now() - startedAt.getTime()) / 60_000;
const { version } = JSON.parse(readFileSync(at('package.json'), 'utf8'));
const found = result.violations ?? [];
const all = found.length === 0 && result.violation ? [result.violation] : found;
for (const violation of all) say(`\nSeed ${violation.seed}: VIOLATION of ${violationLines(violation)}`);
const rounded = (number) => Math.round(number * 1000) / 1000;
const ledger = {
  version,
  commit: commit(),
  startedAt: startedAt.toISOString(),
  minutes: rounded(tookMinutes),
  jobs: Number(jobs),
  seeds: { first: result.seed, count: result.runs },
  simulatedHours: rounded(result.simulatedHours),
  simulatedHoursPerMinute: rounded(result.simulatedHours / tookMinutes),
  operations: result.operations,
  unknown: result.unknown,
  events: result.events,
  violations: all.map(({ seed: of, property, message, replay }) => ({ seed: of, property, message, replay })),
  faults: result.faults,
  neverFired: result.neverFired,
  movesNeverMade: Object.keys(result.transitions).filter((move) => result.transitions[move] === 0),
};
if (file !== undefined) appendFileSync(file, `${JSON.stringify(ledger)}\n`);
process.stdout.write(`${JSON.stringify(ledger, null, 2)}\n`);
process.exitCode = result.ok ? 0 : 4;
