/** `paxosctl bench` for people. */
import { printable } from './escape.ts';
import { onInterrupt } from './interrupt.ts';
import type { LatencyPoint } from './latency-plot.ts';
import { writeResult } from './output.ts';
import { startProgress } from './progress.ts';
import { type Column, table } from './table.ts';
import { counted, grouped } from './units.ts';

export interface BenchView {
  readonly cleanedUp: number | null;
  readonly interrupted: boolean;
  readonly failure: { readonly code: string; readonly message: string; readonly suggestions: readonly string[] } | null;
  readonly rows: readonly {
    readonly title: string;
    readonly rate: number | null;
    readonly operations: number;
    readonly opsPerSecond: number;
    readonly kilobytesPerSecond: number;
    readonly latencyMs: Readonly<Record<'p50' | 'p90' | 'p99' | 'p999' | 'max', number>>;
    readonly startedLateMs: { readonly p50: number; readonly p99: number };
    readonly curve: readonly LatencyPoint[];
    readonly refused: number;
    readonly errors: Readonly<Record<string, number>>;
    readonly unknown: number;
    readonly unsent: number;
    readonly paper: string | null;
  }[];
}

type RowView = BenchView['rows'][number];

const whole = (value: number): string => grouped(Math.round(value));
const right = (title: string): Column => ({ title, align: 'right' });

export function benchText({ rows }: BenchView): string {
  const paper = rows.some((row) => row.paper !== null);
  const open = rows.some((row) => row.rate !== null);
  const columns = [
    { title: 'TEST' },
    ...(open ? [right('WANTED/S')] : []),
    ...['OPS/S', 'KB/S', 'p50 ms', 'p90 ms', 'p99 ms', 'p99.9 ms', 'MAX ms', 'REFUSED', 'ERRORS'].map(right),
    ...(paper ? [right('PAPER (2007)')] : []),
  ];
  const lines = rows.map((row) => {
    const { p50, p90, p99, p999, max } = row.latencyMs;
    return [
      row.title,
      ...(open ? [row.rate === null ? '–' : whole(row.rate)] : []),
      whole(row.opsPerSecond),
      whole(row.kilobytesPerSecond),
      ...[p50, p90, p99, p999, max].map((ms) => (row.operations === 0 ? '–' : ms.toFixed(2))),
      grouped(row.refused),
      errorsText(row),
      ...(paper ? [row.paper ?? '–'] : []),
    ];
  });
  return `${table(columns, lines)}\n${rows.map(remarks).join('')}`;
}

/** What a reader must know before quoting the row. */
function remarks(row: RowView): string {
  const lines: string[] = [];
  if (row.unsent > 0) {
    lines.push(
      `${grouped(row.unsent)} operations were never sent: the cell, or --connections, did not keep up with the rate.`,
    );
  }
  if (row.rate !== null && row.operations > 0) {
    const { p50, p99 } = row.startedLateMs;
    lines.push(
      `Latencies count from when an operation was to begin; p50 ${p50.toFixed(2)} ms, p99 ${p99.toFixed(2)} ms of them passed before it was sent.`,
    );
  }
  return lines.map((line) => `${printable(row.title)}: ${line}\n`).join('');
}

function errorsText({ errors, unknown }: RowView): string {
  const parts = Object.entries(errors).map(([code, count]) => `${counted(count, printable(code))}`);
  if (unknown > 0) parts.push(`${grouped(unknown)} unknown`);
  return parts.length === 0 ? '0' : parts.join(', ');
}

/** The table and, where it is wanted, a curve of the latencies of each row; of an early end, why, and what it leaves behind. */
export async function showBench(result: BenchView, { plot }: { readonly plot: boolean }): Promise<void> {
  process.stderr.write(endText(result));
  await writeResult(benchText(result));
  if (!plot) return;
  const { latencyPlot } = await import('./latency-plot.ts');
  for (const row of result.rows) await writeResult(`\n${latencyPlot(row.title, row.curve)}`);
}

/** Empty after an end as planned. */
export function endText({ interrupted, failure, cleanedUp }: BenchView): string {
  const lines: string[] = [];
  if (interrupted) lines.push('Interrupted; the figures are of what ran until then.');
  if (failure !== null) {
    const { code, message, suggestions } = failure;
    lines.push(`${message} (${code})`, 'The figures are of the rows that ran to their end.');
    if (cleanedUp === null) lines.push('Scratch keys may be left.');
    lines.push(...suggestions.map((next) => `Next: ${next}`));
  }
  if (lines.length > 0 && cleanedUp !== null) lines.push(`${counted(cleanedUp, 'scratch key')} deleted.`);
  return lines.map((line) => `${printable(line)}\n`).join('');
}

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
