/** Runs one mutant against one layer, in processes of their own: a mutant may hang, or eat all memory. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { build } from 'esbuild';
import type { HuntLine } from './hunt.ts';
import { type Hunter, type Mutant, mutateFile } from './mutant.ts';
import { esbuildPlugin } from './plugins.ts';

const root = path.resolve(import.meta.dirname, '../..');

/** The tooling is plain JavaScript. */
const { bundleExplorer } = (await import(path.join(root, 'tooling/explorer-bundle.mjs'))) as {
  readonly bundleExplorer: (options: {
    readonly outfile: string;
    readonly entry: string;
    readonly transform: (source: string, file: string) => string;
  }) => Promise<void>;
};

/** A single seed that takes longer does not end: a hang is found by whoever waits. Of the processor, where that can be told. */
const hangSeconds = 90;
const directedMsMax = 600_000;

export interface Verdict {
  readonly killed: boolean;
  /** Name of the test, or the violated property. */
  readonly by: string;
  /** Tests, schedules or seeds until then. */
  readonly tried: number;
  /** Of one core for the hunters, of the clock for directed tests. */
  readonly seconds: number;
  /** The seed that failed. */
  readonly seed?: number;
  /** How much operators did in simulated cells, where that was not left to chance. */
  readonly operators?: string;
  /** Of the simulated runs, where it was not all of them in turn. */
  readonly mode?: string;
}

/** Everything that this process started and that still runs. */
const running = new Set<ChildProcess>();
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

function start(args: readonly string[], env: NodeJS.ProcessEnv = process.env): ChildProcess {
  const child = spawn(process.execPath, args, { cwd: root, env, stdio: ['ignore', 'pipe', 'pipe'] });
  running.add(child);
  child.once('close', () => running.delete(child));
  return child;
}

const ended = (child: ChildProcess): Promise<number> =>
  new Promise((resolve) => child.once('close', (code) => resolve(code ?? 128)));

// --- directed tests -----------------------------------------------------------------------------------------------------

interface VitestReport {
  readonly numTotalTests: number;
  readonly numPassedTests: number;
  readonly testResults: readonly {
    readonly name: string;
    readonly message: string;
    readonly assertionResults: readonly { readonly status: string; readonly fullName: string }[];
  }[];
}

/** Runs `files` with `mutant`, or as they are when it is null. @throws {Error} when vitest said nothing at all. */
export async function runDirected(mutant: Mutant | null, files: readonly string[], folder: string): Promise<Verdict> {
  mkdirSync(folder, { recursive: true });
  const report = path.join(folder, `${mutant?.id ?? 'none'}.json`);
  const began = performance.now();
  const child = start(
    [
      path.join(root, 'node_modules/vitest/vitest.mjs'),
      ...['run', ...files, '--bail', '1', '--maxWorkers', '1', '--reporter', 'json', '--outputFile', report],
    ],
    { ...process.env, PAXOSCTL_MUTANT: mutant?.id ?? '', PAXOSCTL_TEST_FULL: '' },
  );
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream?.on('data', (data: Buffer) => (output += data));
  const timer = setTimeout(() => child.kill('SIGKILL'), directedMsMax);
  const code = await ended(child);
  clearTimeout(timer);
  const seconds = Math.round((performance.now() - began) / 100) / 10;
  if (child.signalCode === 'SIGKILL') return { killed: true, by: 'does not end', tried: 0, seconds };
  const result = readReport(report);
  if (result === null) throw new Error(`vitest ended with ${code} and no report\n${output.slice(-2000)}`);
  const failed = result.testResults.flatMap((file) => {
    // A mutant that does not load is found by nothing.
    if (file.assertionResults.length === 0 && file.message !== '') throw new Error(`${file.name}: ${file.message}`);
    return file.assertionResults.filter(({ status }) => status === 'failed').map(({ fullName }) => fullName);
  });
  const [by] = failed;
  if (by === undefined && code !== 0) {
    return { killed: true, by: 'an error outside of all tests', tried: result.numPassedTests, seconds };
  }
  return { killed: by !== undefined, by: by ?? '', tried: result.numPassedTests + failed.length, seconds };
}

function readReport(file: string): VitestReport | null {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as VitestReport;
  } catch {
    return null;
  }
}

// --- hunters ------------------------------------------------------------------------------------------------------------

/** A bundle of `hunter` with `mutant` in it, or without any when it is null. Returns its file. */
export async function bundleHunter(hunter: Hunter, mutant: Mutant | null, folder: string): Promise<string> {
  const outfile = path.join(folder, `${hunter}-${mutant?.id ?? 'none'}.mjs`);
  if (hunter === 'explorer') {
    const transform = (source: string, file: string): string =>
      mutant === null ? source : mutateFile(mutant, file, source);
    await bundleExplorer({ outfile, entry: 'test/mutants/hunt-explorer.ts', transform });
    return outfile;
  }
  await build({
    absWorkingDir: root,
    entryPoints: [`test/mutants/hunt-${hunter}.ts`],
    outfile,
    bundle: true,
    format: 'esm',
    platform: 'node',
    target: 'node20',
    sourcemap: 'inline',
    logLevel: 'error',
    plugins: mutant === null ? [] : [esbuildPlugin(mutant)],
    banner: {
      js: "import { createRequire as __createRequire } from 'node:module'; const require = __createRequire(import.meta.url);",
    },
  });
  return outfile;
}

export interface Hunt {
  readonly bundle: string;
  readonly first: number;
  readonly seconds: number;
  readonly seeds?: number;
  /** Of the simulator; `drawn` where absent. */
  readonly operators?: string;
  /** Of the simulator; all in turn where absent. */
  readonly mode?: string;
}

/** Tries seed after seed until one fails or the time is over. */
export async function runHunt({ bundle, first, seconds, seeds, operators, mode }: Hunt): Promise<Verdict> {
  const child = start([
    '--max-old-space-size=1500',
    '--enable-source-maps',
    bundle,
    ...[first, seconds, seeds ?? Number.MAX_SAFE_INTEGER, operators ?? 'drawn', mode ?? ''].map(String),
  ]);
  let errors = '';
  child.stderr?.on('data', (data: Buffer) => (errors = (errors + data).slice(-4000)));
  let verdict: Verdict | null = null;
  let at = { seed: first, done: 0 };
  let heardAt = secondsOf(child);
  const watch = setInterval(() => secondsOf(child) - heardAt > hangSeconds && child.kill('SIGKILL'), 2_000);
  for await (const text of createInterface({ input: child.stdout as NodeJS.ReadableStream })) {
    heardAt = secondsOf(child);
    const line = JSON.parse(text) as HuntLine;
    if (line.kind === 'at') at = line;
    else if (line.kind === 'ended') verdict = { killed: false, by: '', tried: line.done, seconds: line.seconds };
    else {
      const { seed, done, property, seconds: taken } = line;
      verdict = { killed: true, by: property, tried: done, seconds: taken, seed };
    }
  }
  clearInterval(watch);
  if (verdict !== null) return verdict;
  const code = child.exitCode ?? (await ended(child));
  const by = child.signalCode === 'SIGKILL' ? 'does not end' : `the process ended with ${code}: ${lastLine(errors)}`;
  return { killed: true, by, tried: at.done + 1, seconds: Math.round(heardAt), seed: at.seed };
}

/** Processor time of a process, in hundredths of a second there; the clock where the system does not tell. */
function secondsOf({ pid }: ChildProcess): number {
  try {
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
    return (Number(fields[11]) + Number(fields[12])) / 100;
  } catch {
    return performance.now() / 1000;
  }
}

const lastLine = (text: string): string => text.trim().split('\n').at(-1)?.slice(0, 200) ?? '';

/**
 * As {@link runHunt}, but a seed that fails without the mutant too says nothing about it: the hunt goes on behind it. Those
 * seeds are told to `onFalse`.
 */
export async function huntDown(
  hunt: Hunt,
  withoutMutant: string,
  onFalse: (seed: number, by: string) => void,
): Promise<Verdict> {
  let { first } = hunt;
  let tried = 0;
  let spent = 0;
  for (;;) {
    const verdict = await runHunt({ ...hunt, first, seconds: hunt.seconds - spent });
    const how = {
      ...(hunt.operators === undefined ? {} : { operators: hunt.operators }),
      ...(hunt.mode === undefined ? {} : { mode: hunt.mode }),
    };
    const result = {
      ...verdict,
      ...how,
      tried: tried + verdict.tried,
      seconds: Math.round((spent + verdict.seconds) * 10) / 10,
    };
    if (!verdict.killed || verdict.seed === undefined) return result;
    const check = await runHunt({ ...hunt, bundle: withoutMutant, first: verdict.seed, seconds: 600, seeds: 1 });
    if (!check.killed) return result;
    onFalse(verdict.seed, check.by);
    tried = result.tried;
    spent = result.seconds;
    first = verdict.seed + 1;
    if (spent >= hunt.seconds) return { killed: false, by: '', tried, seconds: spent, ...how };
  }
}
