/** Would there be something to go back to, and does it work? (design §6.2; contract §1 `snapshot schedule`, `snapshot rehearse`) */
import { type Check, type Finding, notChecked, warn } from './check.ts';
import type { LiveFacts } from './live-facts.ts';

const dayMs = 24 * 3_600_000;
/** A cell of this age that has no backup was forgotten. */
const firstAgeMsMax = dayMs;
/** Saved by hand: so old a backup is another cell's by now. */
const handAgeMsMax = 7 * dayMs;
/** What a schedule may be late, beside one turn that failed. */
const lateMsMax = 60_000;
const rehearsedAgeMsMax = 31 * dayMs;
const firstRehearsalMsMax = 7 * dayMs;

const schedule = 'paxosctl snapshot schedule --dir DIRECTORY --every 6h';

export const backupChecks: readonly Check<LiveFacts>[] = [
  {
    id: 'backup',
    what: 'a backup lies outside the data directories, and is new enough',
    look: ({ status: { cell, members } }) => {
      if (cell.id === null) return [];
      const { backups } = cell;
      if (backups === null) {
        return [notChecked({ text: 'the cell does not tell of backups', fix: 'paxosctl snapshot save BACKUP-FILE' })];
      }
      const { saved, scheduled, schedule: set } = backups;
      const failed = backups.failed.map(({ member, why }) =>
        warn({ member, text: `a backup is due, and ${member} made none: ${why}`, fix: 'paxosctl snapshot schedule' }),
      );
      if (failed.length > 0) return failed;
      const names = new Set(members.map(({ name }) => name));
      if (set?.members != null && !set.members.some((name) => names.has(name))) {
        const text = `the schedule of backups asks ${set.members.join(', ')}, and none of them is a member`;
        return [warn({ text, fix: schedule })];
      }
      if (saved === null) {
        const text = 'no backup was saved yet';
        const old = backups.cellAgeMs > firstAgeMsMax;
        return [old ? warn({ text, fix: schedule }) : notChecked({ text, fix: schedule })];
      }
      if (cell.generation !== null && saved.generation < cell.generation) {
        const text = `the newest backup is of generation ${saved.generation}, the cell is in generation ${cell.generation}`;
        return [warn({ text, fix: 'paxosctl snapshot save BACKUP-FILE' })];
      }
      if (set === null) {
        if (saved.ageMs <= handAgeMsMax) return [];
        return [
          warn({ text: `the newest backup is ${age(saved.ageMs)} old, and there is no schedule`, fix: schedule }),
        ];
      }
      if (scheduled === null || scheduled.ageMs <= 2 * set.everyMs + lateMsMax) return [];
      const text = `the last backup by the schedule is ${age(scheduled.ageMs)} old; one is due every ${age(set.everyMs)}`;
      return [warn({ text, fix: 'paxosctl snapshot schedule' })];
    },
  },
  {
    id: 'backup-directory',
    what: 'backups can be written, and lie on another disk than the data',
    look: ({ status: { cell } }) =>
      (cell.backups?.directories ?? []).flatMap(({ directory, member, problem, sameDisk }): readonly Finding[] => {
        if (problem !== null) {
          const text = `${directory} of ${member} cannot take backups: ${problem}`;
          return [warn({ member, text, advice: 'the replica itself is not harmed by it', fix: `ls -ld ${directory}` })];
        }
        if (!sameDisk) return [];
        const text = `${directory} of ${member} lies on the disk of its data: one failure takes both`;
        return [warn({ member, text, fix: schedule })];
      }),
  },
  {
    id: 'rehearsal',
    what: 'a backup was restored for a try not long ago',
    look: ({ status: { cell } }) => {
      const { backups } = cell;
      if (backups == null || backups.saved === null) return [];
      const { cellAgeMs, rehearsed, saved } = backups;
      const fix = `paxosctl snapshot rehearse ${saved.file}`;
      if (rehearsed === null) {
        const text = 'no backup was ever restored for a try';
        return [cellAgeMs > firstRehearsalMsMax ? warn({ text, fix }) : notChecked({ text, fix })];
      }
      if (rehearsed.ageMs <= rehearsedAgeMsMax) return [];
      return [warn({ text: `the last rehearsal of a backup was ${age(rehearsed.ageMs)} ago`, fix })];
    },
  },
];

function age(ms: number): string {
  if (ms < 120_000) return `${Math.round(ms / 1000)} s`;
  if (ms < 2 * 3_600_000) return `${Math.round(ms / 60_000)} min`;
  return ms < 2 * dayMs ? `${Math.round(ms / 3_600_000)} h` : `${Math.round(ms / dayMs)} days`;
}
