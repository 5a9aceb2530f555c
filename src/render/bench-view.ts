/** `paxosctl bench` for people. */
import { printable } from './escape.ts';
import { onInterrupt } from './interrupt.ts';
import { writeResult } from './output.ts';
import { startProgress } from './progress.ts';
import { table } from './table.ts';
import { counted, grouped } from './units.ts';

export interface BenchView {
  readonly rows: readonly {
    readonly title: string;
    readonly operations: number;
    readonly opsPerSecond: number;
    readonly kilobytesPerSecond: number;
    readonly latencyMs: { readonly p50: number; readonly p99: number; readonly max: number };
    readonly errors: Readonly<Record<string, number>>;
    readonly unknown: number;
    readonly paper: string | null;
  }[];
}

const whole = (value: number): string => grouped(Math.round(value));

export function benchText({ rows }: BenchView): string {
  const paper = rows.some((row) => row.paper !== null);
  const columns = ['TEST', 'OPS/S', 'KB/S', 'p50 ms', 'p99 ms', 'MAX ms', 'ERRORS'].map((title, at) => ({
    title,
    align: at === 0 ? ('left' as const) : ('right' as const),
  }));
  const lines = rows.map((row) => [
    row.title,
    whole(row.opsPerSecond),
    whole(row.kilobytesPerSecond),
    ...[row.latencyMs.p50, row.latencyMs.p99, row.latencyMs.max].map((ms) => ms.toFixed(2)),
    errorsText(row),
    ...(paper ? [row.paper ?? '–'] : []),
  ]);
  const text = table(paper ? [...columns, { title: 'PAPER (2007)', align: 'right' as const }] : columns, lines);
  return `${text}\n`;
}

function errorsText({ errors, unknown }: BenchView['rows'][number]): string {
  const parts = Object.entries(errors).map(([code, count]) => `${counted(count, printable(code))}`);
  if (unknown > 0) parts.push(`${grouped(unknown)} unknown`);
  return parts.length === 0 ? '0' : parts.join(', ');
}

export const showBench = (result: BenchView): Promise<void> => writeResult(benchText(result));

/** Says which row runs; the first Ctrl-C ends it and lets the scratch keys be deleted. */
export function benchScreen(): { signal: AbortSignal; onRow(title: string): void; stop(): void } {
  const stopped = new AbortController();
  const progress = startProgress('Connecting');
  onInterrupt(() => {
    progress.update('Interrupted: deleting the scratch keys');
    stopped.abort();
  });
  return { signal: stopped.signal, onRow: (title) => progress.update(`Running: ${title}`), stop: progress.stop };
}
