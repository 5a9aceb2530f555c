/** `explore` with random schedules: jobs in threads, progress, figures, and for a broken rule its shortest schedule. */
import { parentPort, Worker, workerData } from 'node:worker_threads';
import { allTransitions } from '../../src/core/consensus/transition.ts';
import { addCoverage, type Coverage, countsOf, noCoverage } from './coverage.ts';
import { actionsOf, exploreRandom, type Failure, type RandomOptions, type RandomResult } from './explore-random.ts';
import { shrink } from './shrink.ts';
import { transcriptOf } from './transcript.ts';
import type { Rejoin } from './world.ts';

export interface Arguments {
  readonly seed?: string | undefined;
  readonly schedules?: string | undefined;
  readonly seconds?: string | undefined;
  readonly first?: string | undefined;
  readonly jobs?: string | undefined;
  readonly scope?: string | undefined;
  readonly rejoin?: string | undefined;
  readonly json?: boolean | undefined;
}

/** @throws {RangeError} when it is no whole number from `low` on. */
export function wholeNumber(name: string, text: string | undefined, low: number): number | undefined {
  if (text === undefined) return undefined;
  const n = Number(text);
  if (!Number.isSafeInteger(n) || n < low) throw new RangeError(`--${name} is a whole number from ${low}, not ${text}`);
  return n;
}

export function rejoinOf(text: string | undefined): Rejoin | undefined {
  if (text === undefined || text === 'new-incarnation' || text === 'same-identity') return text;
  throw new RangeError(`--rejoin is new-incarnation or same-identity, not ${text}`);
}

/** In a thread of its own: one share of the schedules. */
export function workAsJob(): void {
  const onProgress = (sofar: RandomResult): void => parentPort?.postMessage({ kind: 'progress', result: sofar });
  const result = exploreRandom({ ...(workerData as RandomOptions), onProgress });
  parentPort?.postMessage({ kind: 'result', result });
}

export async function runRandom(args: Arguments): Promise<number> {
  const seed = args.seed ?? String(Math.floor(Math.random() * 2 ** 32));
  const jobs = wholeNumber('jobs', args.jobs, 1) ?? 1;
  const first = wholeNumber('first', args.first, 0) ?? 0;
  const seconds = wholeNumber('seconds', args.seconds, 1);
  const schedules = wholeNumber('schedules', args.schedules, 1) ?? (seconds === undefined ? 100_000 : undefined);
  const rejoin = rejoinOf(args.rejoin);
  process.stderr.write(
    `seed ${seed}, ${schedules ?? 'as many'} schedules${seconds === undefined ? '' : ` in ${seconds} s`}\n`,
  );
  const result = await runJobs(jobs, (job) => ({
    ...{ seed, first: first + job, every: jobs },
    ...(schedules === undefined ? {} : { schedules: Math.floor((schedules + jobs - 1 - job) / jobs) }),
    ...(seconds === undefined ? {} : { seconds }),
    ...(rejoin === undefined ? {} : { rejoin }),
  }));
  const failure = result.failure === null ? null : explain(result.failure, rejoin);
  const coverage = { ...result.coverage, transitions: [...result.coverage.transitions].sort() };
  if (args.json === true) {
    process.stdout.write(`${JSON.stringify({ ...result, coverage, rate: rateOf(result), failure })}\n`);
  } else show(result, failure);
  return failure === null ? 0 : 1;
}

/** All jobs to their end, or to the first failure of any. */
function runJobs(jobs: number, optionsOf: (job: number) => RandomOptions): Promise<RandomResult> {
  const latest: (RandomResult | undefined)[] = [];
  const workers: Worker[] = [];
  let running = jobs;
  let toldAt = performance.now();
  return new Promise((resolve, reject) => {
    const end = (): void => {
      resolve(sum(latest));
      for (const worker of workers) void worker.terminate();
    };
    for (let job = 0; job < jobs; job++) {
      const worker = new Worker(new URL(import.meta.url), { workerData: optionsOf(job) });
      workers.push(worker);
      worker.on('error', reject);
      worker.on('message', ({ kind, result }: { kind: string; result: RandomResult }) => {
        latest[job] = result;
        if (kind === 'result' && (--running === 0 || result.failure !== null)) end();
        else if (performance.now() - toldAt > 10_000) {
          toldAt = performance.now();
          const sofar = sum(latest);
          process.stderr.write(`${sofar.schedules} schedules, ${rateOf(sofar)} a second\n`);
        }
      });
    }
  });
}

function sum(parts: readonly (RandomResult | undefined)[]): RandomResult {
  const coverage: Coverage = noCoverage();
  let [schedules, steps, seconds] = [0, 0, 0];
  let failure: Failure | null = null;
  let seed = '';
  for (const part of parts) {
    if (part === undefined) continue;
    seed = part.seed;
    schedules += part.schedules;
    steps += part.steps;
    seconds = Math.max(seconds, part.seconds);
    failure ??= part.failure;
    addCoverage(coverage, part.coverage);
  }
  return { seed, schedules, steps, seconds, coverage, failure };
}

const rateOf = ({ schedules, seconds }: RandomResult): number => Math.round(schedules / Math.max(seconds, 0.001));

interface Explained extends Failure {
  readonly again: string;
  readonly steps: number;
  readonly stepsShortest: number;
  readonly transcript: string;
}

function explain(failure: Failure, rejoin: Rejoin | undefined): Explained {
  const { profile, actions } = actionsOf(failure, rejoin);
  const shortest = shrink(profile, actions, failure.rule, rejoin);
  const switches = rejoin === undefined ? '' : ` --rejoin ${rejoin}`;
  return {
    ...failure,
    again: `npm run explore -- --seed ${failure.seed} --first ${failure.schedule} --schedules 1${switches}`,
    steps: actions.length,
    stepsShortest: shortest.length,
    transcript: transcriptOf(profile, shortest, rejoin),
  };
}

function show(result: RandomResult, failure: Explained | null): void {
  const { schedules, steps, coverage } = result;
  const lines: string[] = [];
  if (failure !== null) {
    lines.push(failure.transcript, '');
    lines.push(
      `${failure.message}`,
      `schedule ${failure.schedule}: ${failure.steps} steps, ${failure.stepsShortest} of them needed`,
    );
    lines.push(`again: ${failure.again}`, '');
  }
  lines.push(
    `seed ${result.seed}: ${schedules} schedules, ${steps} steps in ${result.seconds.toFixed(1)} s, ${rateOf(result)} schedules a second`,
  );
  for (const [name, count] of countsOf(coverage)) lines.push(`  ${name.padEnd(16)}${String(count).padStart(14)}`);
  const missing = allTransitions.filter(({ id }) => !coverage.transitions.has(id));
  const not = missing.length === 0 ? '' : `; not: ${missing.map(({ id }) => id).join(', ')}`;
  lines.push(
    `  moves of the state machines: ${allTransitions.length - missing.length} of ${allTransitions.length}${not}`,
  );
  lines.push(failure === null ? 'no rule was broken' : `BROKEN ${failure.rule}`);
  process.stdout.write(`${lines.join('\n')}\n`);
}
