/**
 * What the cell itself knows of its backups: entries of the system, so that they hold for whoever is master, over restarts and
 * changes of members, and go into every snapshot.
 */
import type { SystemEntry } from '../../core/database/system-table.ts';
import type {
  BackupScheduleDocument,
  RehearsedBackupDocument,
  SavedBackupDocument,
} from '../../formats/backup-body.ts';

export const backupKeys = {
  schedule: 'backup/schedule',
  /** The last one by the schedule: what the next one is counted from. */
  scheduled: 'backup/scheduled',
  saved: 'backup/saved',
  rehearsed: 'backup/rehearsed',
} as const;

/** A state that was restored elsewhere, to try it, must not write into the directory of the cell that it came from. */
interface KeptSchedule extends BackupScheduleDocument {
  readonly cell: string;
}

export interface BackupEntries {
  readonly schedule: BackupScheduleDocument | null;
  readonly scheduled: SavedBackupDocument | null;
  readonly saved: SavedBackupDocument | null;
  readonly rehearsed: RehearsedBackupDocument | null;
}

export function backupEntries(system: ReadonlyMap<string, SystemEntry>, cell: string): BackupEntries {
  const kept = read<KeptSchedule>(system.get(backupKeys.schedule));
  return {
    schedule: kept === null || kept.cell !== cell ? null : scheduleOf(kept),
    scheduled: read(system.get(backupKeys.scheduled)),
    saved: read(system.get(backupKeys.saved)),
    rehearsed: read(system.get(backupKeys.rehearsed)),
  };
}

const scheduleOf = ({ directory, everyMs, keep, members }: KeptSchedule): BackupScheduleDocument => ({
  directory,
  everyMs,
  keep,
  members,
});

/** What cannot be read is absent: a replica does not stop for a note about backups. */
function read<Document>(entry: SystemEntry | undefined): Document | null {
  if (entry === undefined) return null;
  try {
    return JSON.parse(new TextDecoder().decode(entry.value)) as Document;
  } catch {
    return null;
  }
}

export const encodeEntry = (document: object): Uint8Array => new TextEncoder().encode(JSON.stringify(document));

export const encodeSchedule = (schedule: BackupScheduleDocument, cell: string): Uint8Array =>
  encodeEntry({ ...schedule, cell } satisfies KeptSchedule);

/** Of the later generation, or of the later instance in one: true also of the same backup. */
export const isNotOlder = (
  a: { readonly generation: number; readonly instance: number },
  b: { readonly generation: number; readonly instance: number } | null,
): boolean => b === null || a.generation > b.generation || (a.generation === b.generation && a.instance >= b.instance);
