/** Backups for people: in `status`, and by `snapshot schedule` and `snapshot rehearse`. */
import type { BackupStatusDocument } from '../client/backup-status.ts';
import { printable } from './escape.ts';
import { coloured, writeResult } from './output.ts';
import { bytes, counted, duration, grouped } from './units.ts';

/** `saved 2h10m ago (instance 9,184 on n2), rehearsed 3d04h ago; every 6h00m to /mnt/backups` */
export function backupText(backups: BackupStatusDocument): string {
  const { rehearsed, saved, schedule } = backups;
  const parts = [
    saved === null
      ? coloured('yellow', 'none saved yet')
      : `saved ${duration(saved.ageMs)} ago (instance ${grouped(saved.instance)} on ${printable(saved.where)})`,
    ...(saved === null
      ? []
      : [
          rehearsed === null
            ? 'never rehearsed'
            : `rehearsed ${duration(rehearsed.ageMs)} ago (instance ${grouped(rehearsed.instance)})`,
        ]),
  ];
  const set =
    schedule === null ? 'no schedule' : `every ${duration(schedule.everyMs)} to ${printable(schedule.directory)}`;
  return `${parts.join(', ')}; ${set}`;
}

interface ScheduleView extends BackupStatusDocument {
  readonly changed: boolean;
  readonly dryRun: boolean;
}

export function scheduleText(it: ScheduleView): string {
  const { directories, failed, rehearsed, running, saved, schedule } = it;
  const rows: [string, string][] = [];
  if (it.dryRun) rows.push(['dry run', it.changed ? 'the schedule would change' : 'the schedule is this one already']);
  rows.push([
    'schedule',
    schedule === null
      ? 'none'
      : `every ${duration(schedule.everyMs)} to ${printable(schedule.directory)}, ${counted(schedule.keep, 'backup')} kept${schedule.members === null ? '' : `, by ${schedule.members.map(printable).join(', ')}`}`,
  ]);
  rows.push([
    'saved',
    saved === null
      ? 'none yet'
      : `${duration(saved.ageMs)} ago: instance ${grouped(saved.instance)}, ${bytes(saved.bytes)}, ${printable(saved.where)}:${printable(saved.file)}`,
  ]);
  rows.push([
    'tried',
    rehearsed === null
      ? 'never rehearsed'
      : `${duration(rehearsed.ageMs)} ago: instance ${grouped(rehearsed.instance)}, in ${duration(rehearsed.tookMs)}`,
  ]);
  for (const { member, instance, bytes: written } of running) {
    rows.push(['now', `${printable(member)} writes instance ${grouped(instance)}: ${bytes(written)} so far`]);
  }
  for (const { member, problem, files, freeBytes } of directories) {
    const free = freeBytes === null ? '' : `, ${bytes(freeBytes)} free`;
    const state = problem === null ? `${counted(files, 'backup')}${free}` : coloured('red', printable(problem));
    rows.push(['', `${printable(member)}: ${state}`]);
  }
  for (const { member, why } of failed) {
    rows.push(['failed', coloured('yellow', `${printable(member)}: ${printable(why)}`)]);
  }
  return rows.map(([label, text]) => `${coloured('dim', label.padEnd(8))} ${text}\n`).join('');
}

export const showSchedule = (it: ScheduleView): Promise<void> => writeResult(scheduleText(it));

export function rehearsedText(it: {
  readonly file: string;
  readonly instance: number;
  readonly generation: number;
  readonly entries: number;
  readonly tookMs: number;
  readonly told: { readonly told: true } | { readonly told: false; readonly why: string };
}): string {
  const entries = `${grouped(it.entries)} ${it.entries === 1 ? 'entry' : 'entries'}`;
  const what = `instance ${grouped(it.instance)}, generation ${it.generation}: ${entries}`;
  const told = it.told.told ? '' : `; the cell could not be told (${it.told.why})`;
  return `${it.file} was restored into a scratch cell, which held the same (${what}), in ${duration(it.tookMs)}${told}`;
}
