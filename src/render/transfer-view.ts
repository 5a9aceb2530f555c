/** Progress and last words of `kv import` and `kv export`, on stderr. */
import { printable } from './escape.ts';
import { type Progress, startProgress } from './progress.ts';
import { bytes, counted, duration, grouped } from './units.ts';

export interface TransferProgress {
  readonly entries: number;
  readonly bytes: number;
  readonly bytesTotal?: number | null;
  readonly tookMs: number;
  readonly restarts?: number;
}

/** A spinner with the number of entries, the rate, and how much is left where that is known. */
export function transferProgress(verb: string): Omit<Progress, 'update'> & { update(at: TransferProgress): void } {
  const { update, succeed, stop } = startProgress(verb);
  return { update: (at) => update(`${verb}: ${progressText(at)}`), succeed, stop };
}

export function progressText(at: TransferProgress): string {
  const share = at.bytesTotal ? ` (${Math.floor((at.bytes / at.bytesTotal) * 100)} %)` : '';
  const again = at.restarts ? `, started again ${counted(at.restarts, 'time')}` : '';
  return `${entriesText(at.entries)}${share}, ${rate(at)}${again}`;
}

const rate = ({ entries, tookMs }: { entries: number; tookMs: number }): string =>
  `${grouped(Math.round(entries / Math.max(0.001, tookMs / 1000)))} a second`;

const entriesText = (count: number): string => `${grouped(count)} ${count === 1 ? 'entry' : 'entries'}`;

export function importedText(result: {
  file: string;
  entries: number;
  resumedFrom: number;
  bytes: number;
  tookMs: number;
}): string {
  const resumed = result.resumedFrom > 0 ? ` (${grouped(result.resumedFrom)} of them before it was interrupted)` : '';
  const from = result.file === '-' ? 'standard input' : printable(result.file);
  return `${entriesText(result.entries)} of ${from} are in the cell${resumed}: ${bytes(result.bytes)} in ${duration(result.tookMs)}`;
}

/** What `kv import --dry-run` found. */
export function dryRunText(result: { file: string; entries: number; wouldChange: boolean }): string {
  const from = result.file === '-' ? 'standard input' : printable(result.file);
  return `${entriesText(result.entries)} of ${from} could be written; would change: ${result.wouldChange ? 'yes' : 'no'}`;
}

export function exportedText(result: {
  file: string;
  entries: number;
  bytes: number;
  revision: number;
  tookMs: number;
}): string {
  const to = result.file === '-' ? 'standard output' : printable(result.file);
  return `${entriesText(result.entries)} of revision ${grouped(result.revision)} to ${to}: ${bytes(result.bytes)} in ${duration(result.tookMs)}`;
}
