/** What `cell restore` shows to people. */
import { printable } from './escape.ts';
import { coloured, writeResult } from './output.ts';
import { counted, duration, grouped } from './units.ts';

interface RestorePriceView {
  readonly revisionsAtLeast: number;
  readonly because: readonly string[];
  readonly notAsked: readonly string[];
  readonly unknown: readonly string[];
  readonly present: {
    readonly member: string;
    readonly generation: number;
    readonly epoch: number;
    readonly instance: number;
    readonly revision: number;
    readonly entries: number;
  };
  readonly lost: { readonly instances: number; readonly entries: number; readonly cellTimeMs: number };
}

interface BackupView {
  readonly file: string;
  readonly generation: number;
  readonly epoch: number;
  readonly instance: number;
  readonly revision: number;
  readonly entries: number;
  /** Since the file was changed last, which may be a copy of an old one. */
  readonly fileAgeMs: number;
}

interface PointView extends Omit<BackupView, 'file' | 'fileAgeMs'> {}

const point = ({ generation, epoch, instance, revision, entries }: PointView): string =>
  `generation ${generation}, epoch ${grouped(epoch)}, instance ${grouped(instance)}, revision ${grouped(revision)}, ${grouped(entries)} ${entries === 1 ? 'entry' : 'entries'}`;

export function showRestorePrice(price: RestorePriceView, backup: BackupView): Promise<void> {
  const { present, lost, revisionsAtLeast, because, notAsked, unknown } = price;
  const loses = revisionsAtLeast > 0 || notAsked.length > 0;
  const lines = [
    `file     ${printable(backup.file)}: ${point(backup)}`,
    `         the file was changed ${duration(backup.fileAgeMs)} ago, its state is as old as that at least`,
    `present  ${printable(present.member)}: ${point(present)}`,
    coloured(
      loses ? 'red' : 'green',
      `lost     at least ${counted(revisionsAtLeast, 'revision')}: ${counted(lost.instances, 'instance')}, ${duration(lost.cellTimeMs)} of the cell's time, ` +
        `${lost.entries < 0 ? 'no' : grouped(lost.entries)} entries fewer`,
    ),
    ...because.map((why) => `         ${printable(why)}`),
    ...(notAsked.length > 0 ? [coloured('red', `unknown  what only ${notAsked.map(printable).join(', ')} had`)] : []),
    ...unknown.map((why) => `         ${printable(why)}`),
  ];
  return writeResult(`${lines.join('\n')}\n`);
}

interface RestoredView {
  readonly cell: { readonly name: string };
  readonly generation: number;
  readonly members: readonly string[];
  readonly dryRun: boolean;
  readonly foundDone: boolean;
  readonly saved: string | null;
}

export function showRestored({ cell, generation, members, dryRun, foundDone, saved }: RestoredView): Promise<void> {
  const names = members.map(printable).join(', ');
  const name = printable(cell.name);
  if (foundDone)
    return writeResult(`cell ${name} went back to this file already: generation ${generation} on ${names}\n`);
  if (dryRun) return writeResult(`cell ${name} would go on in generation ${generation} on ${names}\n`);
  const lines = [
    `cell ${name} goes on in generation ${generation} on ${names}`,
    ...(saved === null ? [] : [`what it held before: ${printable(saved)}, and former/ of each member`]),
    `clients that have seen what was given up: --accept-generation ${generation}`,
    'the schedule of backups is that of the restored state, often none:',
    '  paxosctl snapshot schedule --dir DIRECTORY --every 6h --keep 7',
  ];
  return writeResult(`${lines.join('\n')}\n`);
}
