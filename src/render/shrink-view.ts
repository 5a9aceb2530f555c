/** How small a failing run became, for people. */
import { coloured } from './output.ts';
import { counted, duration, grouped } from './units.ts';

export interface SizeView {
  readonly strikes: number;
  readonly simulatedMs: number;
  readonly replicas: number;
  readonly operations: number;
}

export interface ShrinkProgressView {
  readonly runs: number;
  readonly before: SizeView;
  readonly size: SizeView;
}

export interface ShrinkView {
  readonly before: SizeView;
  readonly after: SizeView;
  readonly runs: number;
  readonly minimal: boolean;
}

const seconds = (ms: number): string => `${(ms / 1000).toFixed(1)}s`;

/** `143 → 12 strikes, 180.0s → 9.1s, after 57 runs`. */
export const shrinkProgressText = ({ runs, before, size }: ShrinkProgressView): string =>
  `${grouped(before.strikes)} → ${counted(size.strikes, 'strike')}, ` +
  `${seconds(before.simulatedMs)} → ${seconds(size.simulatedMs)} of simulated time, after ${counted(runs, 'run')}`;

export function shrinkText({ before, after, runs, minimal }: ShrinkView, elapsedMs: number): string {
  const rows: [string, string, string][] = [
    ['faults', grouped(before.strikes), grouped(after.strikes)],
    ['time', seconds(before.simulatedMs), seconds(after.simulatedMs)],
    ['replicas', grouped(before.replicas), grouped(after.replicas)],
    ['operations', grouped(before.operations), grouped(after.operations)],
  ];
  const lines = rows.map(([name, was, is]) => `${coloured('dim', name.padEnd(10))} ${was.padStart(8)} → ${is}\n`);
  const end = minimal ? 'until nothing made it smaller' : 'until the time was over; --for gives it more';
  return `${coloured('bold', `Shrunk in ${duration(elapsedMs)} and ${counted(runs, 'run')}`)}, ${end}\n${lines.join('')}`;
}
