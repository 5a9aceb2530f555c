/** The cell's backups in `status`: what all replicas together know of them. */
import type {
  BackupDirectoryDocument,
  BackupRunDocument,
  BackupScheduleDocument,
  RehearsedBackupDocument,
  SavedBackupDocument,
} from '../formats/backup-body.ts';
import type { ReplicaStatusDocument } from '../formats/http-body.ts';

interface Aged {
  readonly ageMs: number;
}

/** `cell.backups` of the document of `status`. */
export interface BackupStatusDocument {
  readonly schedule: BackupScheduleDocument | null;
  /** The last one by the schedule. */
  readonly scheduled: (SavedBackupDocument & Aged) | null;
  /** The newest that the cell was told of. */
  readonly saved: (SavedBackupDocument & Aged) | null;
  readonly rehearsed: (RehearsedBackupDocument & Aged) | null;
  /** Of the cell, in its own time. */
  readonly cellAgeMs: number;
  readonly running: readonly (BackupRunDocument & { readonly member: string })[];
  readonly directories: readonly (BackupDirectoryDocument & { readonly member: string })[];
  /** Members that were asked for the backup that is due, and why they gave none. */
  readonly failed: readonly { readonly member: string; readonly why: string }[];
}

/** Null where no replica tells. */
export function backupStatus(
  own: readonly ReplicaStatusDocument[],
  master: ReplicaStatusDocument | null,
  ageMs: (at: string) => number,
): BackupStatusDocument | null {
  const telling = own.filter(({ backups }) => backups !== undefined);
  const [furthest] = [...telling].sort((a, b) => b.instances.applied - a.instances.applied);
  const best = (master?.backups === undefined ? furthest : master)?.backups;
  if (best === undefined) return null;
  const aged = <Document extends { readonly at: string }>(it: Document | null): (Document & Aged) | null =>
    it === null ? null : { ...it, ageMs: ageMs(it.at) };
  return {
    schedule: best.schedule,
    scheduled: aged(best.scheduled),
    saved: aged(best.saved),
    rehearsed: aged(best.rehearsed),
    cellAgeMs: best.cellTimeMs,
    running: telling.flatMap(({ name: member, backups }) => (backups?.running ? [{ member, ...backups.running }] : [])),
    directories: telling.flatMap(({ name: member, backups }) => (backups?.here ? [{ member, ...backups.here }] : [])),
    failed: master?.backups?.failed ?? [],
  };
}
