/** `paxosctl simulate` at work: the seed first, so that a run that never ends can be shown again too; then how far it is. */
import { randomInt } from 'node:crypto';
import { printable } from './escape.ts';
import { onInterrupt } from './interrupt.ts';
import { writeResult } from './output.ts';
import { startProgress } from './progress.ts';
import { rateText, type SimulationTextOptions, type SimulationView, simulationText } from './simulation-view.ts';
import { counted, duration, grouped } from './units.ts';

export interface ProgressView {
  readonly done: number;
  readonly doneParts: number;
  readonly simulatedMs: number;
  readonly operations: number;
  readonly violations: number;
}

/** One that is easily typed again. */
export const drawSeed = (): number => randomInt(1, 1_000_000_000);

/** How wide lines may be: the terminal's width, or what files and other programs are read in. */
export const screenWidth = (): number => process.stdout.columns ?? 100;

export interface SimulationScreen {
  /** Aborted by the first Ctrl-C: what was done so far is still shown. */
  readonly signal: AbortSignal;
  readonly onProgress: (progress: ProgressView) => void;
  readonly done: (
    result: SimulationView,
    options: Pick<SimulationTextOptions, 'faultClasses' | 'traceLines'> & { readonly json: boolean },
  ) => Promise<void>;
}

export function simulationScreen(options: {
  readonly seed: number | string;
  /** Null: until the time is over. */
  readonly runs: number | null;
  readonly forMs: number | null;
  readonly jobs: number;
  readonly version: string;
}): SimulationScreen {
  const { seed, runs, forMs, jobs, version } = options;
  const startedMs = performance.now();
  const much = runs === null ? `fresh seeds for ${duration(forMs ?? 0)}` : counted(runs, 'run');
  const threads = jobs > 1 ? `, ${jobs} at a time` : '';
  const progress = startProgress(`Simulating seed ${printable(String(seed))} (${much}${threads}, paxosctl ${version})`);
  const stopped = new AbortController();
  const unlisten = onInterrupt(() => {
    progress.update('Interrupted: adding up what was done');
    stopped.abort();
  });
  return {
    signal: stopped.signal,
    onProgress: (now) => {
      if (!stopped.signal.aborted)
        progress.update(progressText(now, { runs, forMs, elapsedMs: performance.now() - startedMs }));
    },
    async done(result, { json, ...shown }) {
      progress.stop();
      unlisten();
      const elapsedMs = performance.now() - startedMs;
      if (!json) await writeResult(simulationText(result, { ...shown, elapsedMs, width: screenWidth() }));
    },
  };
}

/** `12 of 100 seeds, 0.7 simulated hours (5.2 a minute), 6,841 operations, 14m20s left`. */
export function progressText(
  { done, doneParts, simulatedMs, operations, violations }: ProgressView,
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
  if (violations > 0) parts.push(counted(violations, 'violation'));
  const leftMs = runs === null ? (forMs ?? 0) - elapsedMs : (elapsedMs / doneParts) * (runs - doneParts);
  // The first moments say nothing about the rest.
  if (Number.isFinite(leftMs) && leftMs > 0 && (elapsedMs > 2_000 || runs === null))
    parts.push(`${duration(leftMs)} left`);
  return parts.join(', ');
}
