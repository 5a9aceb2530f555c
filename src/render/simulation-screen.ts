/** `paxosctl simulate` at work: the seed first, so that a run that never ends can be shown again too; then how far it is. */
import { randomInt } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { UsageError } from '../errors/index.ts';
import { printable } from './escape.ts';
import { onInterrupt } from './interrupt.ts';
import { writeResult } from './output.ts';
import { startProgress } from './progress.ts';
import { type ShrinkProgressView, type ShrinkView, shrinkProgressText, shrinkText } from './shrink-view.ts';
import {
  rateText,
  type SimulationTextOptions,
  type SimulationView,
  simulationText,
  violationText,
} from './simulation-view.ts';
import { counted, duration, grouped } from './units.ts';

export interface ProgressView {
  readonly done: number;
  readonly doneParts: number;
  readonly simulatedMs: number;
  readonly operations: number;
  readonly violations: number;
  readonly violatedSeed: number | string | null;
}

/** One that is easily typed again. */
export const drawSeed = (): number => randomInt(1, 1_000_000_000);

/** How wide lines may be: the terminal's width, or what files and other programs are read in. */
export const screenWidth = (): number => process.stdout.columns ?? 100;

interface Screen<Progress> {
  /** Aborted by the first Ctrl-C: what was done so far is still shown. */
  readonly signal: AbortSignal;
  readonly onProgress: (progress: Progress) => void;
  /** False once the time is over. */
  readonly more: () => boolean;
  /** Takes the progress away; returns how long it took. */
  readonly stop: () => number;
}

function screenOf<Progress>(
  title: string,
  forMs: number | null,
  textOf: (progress: Progress, elapsedMs: number) => string,
): Screen<Progress> {
  const startedMs = performance.now();
  const elapsedMs = (): number => performance.now() - startedMs;
  const progress = startProgress(title);
  const stopped = new AbortController();
  const unlisten = onInterrupt(() => {
    progress.update('Interrupted: adding up what was done');
    stopped.abort();
  });
  return {
    signal: stopped.signal,
    onProgress: (now) => {
      if (!stopped.signal.aborted) progress.update(textOf(now, elapsedMs()));
    },
    more: () => forMs === null || elapsedMs() < forMs,
    stop: () => {
      progress.stop();
      unlisten();
      return elapsedMs();
    },
  };
}

type ShownOptions = Pick<SimulationTextOptions, 'faultClasses' | 'traceLines'> & { readonly json: boolean };

export function simulationScreen(options: {
  readonly seed: number | string;
  /** Null: until the time is over. */
  readonly runs: number | null;
  /** Null: as long as it takes. */
  readonly forMs: number | null;
  readonly jobs: number;
  readonly version: string;
}) {
  const { seed, runs, forMs, jobs, version } = options;
  const much = runs === null ? `fresh seeds for ${duration(forMs ?? 0)}` : counted(runs, 'run');
  const title = `Simulating seed ${printable(String(seed))} (${much}${atATime(jobs)}, paxosctl ${version})`;
  const screen = screenOf<ProgressView>(title, forMs, (now, elapsedMs) =>
    progressText(now, { runs, forMs, elapsedMs }),
  );
  return {
    ...screen,
    async done(result: SimulationView, { json, ...shown }: ShownOptions): Promise<void> {
      const elapsedMs = screen.stop();
      if (!json) await writeResult(simulationText(result, { ...shown, elapsedMs, width: screenWidth() }));
    },
  };
}

export function shrinkScreen(options: {
  readonly seed: number | string;
  readonly forMs: number;
  readonly jobs: number;
  readonly version: string;
}) {
  const { seed, forMs, jobs, version } = options;
  const title = `Shrinking seed ${printable(String(seed))} (at most ${duration(forMs)}${atATime(jobs)}, paxosctl ${version})`;
  const screen = screenOf<ShrinkProgressView>(title, forMs, shrinkProgressText);
  return {
    ...screen,
    /** Writes `text`, the scenario, to the file, or shows it. */
    async done(
      result: SimulationView & { readonly shrink?: ShrinkView },
      { json, text, output, ...shown }: ShownOptions & { readonly text: string | null; readonly output: string | null },
    ): Promise<void> {
      const elapsedMs = screen.stop();
      if (text !== null && output !== null) await writeFileTo(output, text);
      if (json) return;
      if (result.shrink === undefined || text === null) {
        await writeResult(`Nothing to shrink: this run holds.\n\n`);
        return writeResult(simulationText(result, { ...shown, elapsedMs, width: screenWidth() }));
      }
      const { traceLines } = shown;
      const parts = [
        shrinkText(result.shrink, elapsedMs),
        ...(result.violation ? [violationText(result.violation, traceLines)] : []),
        output === null ? text : `Written to ${printable(output)}\n`,
      ];
      await writeResult(parts.join('\n'));
    },
  };
}

const atATime = (jobs: number): string => (jobs > 1 ? `, ${jobs} at a time` : '');

/** @throws {UsageError} (exit 2) for a file that cannot be written. */
async function writeFileTo(file: string, text: string): Promise<void> {
  try {
    await writeFile(file, text);
  } catch (error) {
    throw new UsageError(`File ${file} cannot be written: ${(error as Error).message}.`, { cause: error });
  }
}

/** `12 of 100 seeds, 0.7 simulated hours (5.2 a minute), 6,841 operations, 14m20s left`. */
export function progressText(
  { done, doneParts, simulatedMs, operations, violations, violatedSeed }: ProgressView,
  {
    runs,
    forMs,
    elapsedMs,
  }: { readonly runs: number | null; readonly forMs: number | null; readonly elapsedMs: number },
): string {
  const parts = [
    runs === null ? counted(done, 'seed') : `${grouped(done)} of ${counted(runs, 'seed')}`,
    `${(simulatedMs / 3_600_000).toFixed(2)} simulated hours (${rateText(simulatedMs, elapsedMs)} a minute)`,
    counted(operations, 'operation'),
  ];
  if (violations > 0) parts.push(`${counted(violations, 'violation')} (last: seed ${violatedSeed})`);
  const leftMs = runs === null ? (forMs ?? 0) - elapsedMs : (elapsedMs / doneParts) * (runs - doneParts);
  // The first moments say nothing about the rest.
  if (Number.isFinite(leftMs) && leftMs > 0 && (elapsedMs > 2_000 || runs === null))
    parts.push(`${duration(leftMs)} left`);
  return parts.join(', ');
}
