/** JSON of `/v1/backups`, of the part of `/v1/status` about backups, and what the entries of the cell about them hold. */

/** What the cell was told to do by itself. */
export interface BackupScheduleDocument {
  /** Absolute, on each member that may be asked. It is never made: where it is missing, a disk is. */
  readonly directory: string;
  readonly everyMs: number;
  /** Backups of this cell and generation that are kept there. */
  readonly keep: number;
  /** Who may be asked; null for every member. */
  readonly members: readonly string[] | null;
}

/** One backup that was read back whole after it was written. */
export interface SavedBackupDocument {
  readonly generation: number;
  readonly instance: number;
  readonly entries: number;
  readonly bytes: number;
  /** Of the database. */
  readonly checksum: string;
  /** Of the file. */
  readonly digest: string;
  readonly file: string;
  /** A member's name, or the machine of whoever saved it. */
  readonly where: string;
  readonly by: 'schedule' | 'operator';
  /** RFC 3339: everything that was acknowledged before is in it. Of the state, whenever it was written down or recorded. */
  readonly at: string;
  /** The same in cell time. */
  readonly cellTimeMs: number;
}

/** One that was restored into a scratch cell, which then held the same. */
export interface RehearsedBackupDocument {
  readonly generation: number;
  readonly instance: number;
  readonly digest: string;
  readonly file: string;
  readonly where: string;
  readonly tookMs: number;
  readonly at: string;
  readonly cellTimeMs: number;
}

/** The directory of the schedule, as one member sees it. */
export interface BackupDirectoryDocument {
  readonly directory: string;
  /** Why no backup can be written there now; null when one can. */
  readonly problem: string | null;
  readonly freeBytes: number | null;
  /** The file system of the data directory: one lost disk takes both. */
  readonly sameDisk: boolean;
  /** Backups of this cell and generation there. */
  readonly files: number;
}

/** Of this moment, on one member. */
export interface BackupRunDocument {
  readonly instance: number;
  readonly bytes: number;
  /** Since its last progress. */
  readonly idleMs: number;
}

/** `GET /v1/backups`, and `backups` in the status of a replica. */
export interface BackupsDocument {
  readonly schedule: BackupScheduleDocument | null;
  /** The last one by the schedule. */
  readonly scheduled: SavedBackupDocument | null;
  /** The newest of all that the cell was told of. */
  readonly saved: SavedBackupDocument | null;
  readonly rehearsed: RehearsedBackupDocument | null;
  readonly cellTimeMs: number;
  /** Null without a schedule that asks this member, and before its first look. */
  readonly here: BackupDirectoryDocument | null;
  readonly running: BackupRunDocument | null;
  /** At the master: whom it asked for the backup that is due, and why it got none. */
  readonly failed: readonly { readonly member: string; readonly why: string }[];
}

/** What is told to the cell of a backup that somebody saved or rehearsed. */
export type ToldBackup = Pick<SavedBackupDocument, 'generation' | 'instance' | 'digest' | 'file' | 'where'>;

/** `POST /v1/backups`. */
export type BackupChangeBody =
  | ({ readonly op: 'schedule'; readonly dryRun?: boolean | undefined } & Omit<BackupScheduleDocument, 'members'> & {
        readonly members?: readonly string[] | null | undefined;
      })
  | { readonly op: 'stop'; readonly dryRun?: boolean | undefined }
  | ({
      readonly op: 'saved';
      /** How old its state was when this was sent. */
      readonly ageMs: number;
    } & ToldBackup &
      Pick<SavedBackupDocument, 'entries' | 'bytes' | 'checksum'>)
  | ({ readonly op: 'rehearsed' } & ToldBackup & Pick<RehearsedBackupDocument, 'tookMs'>);

export interface BackupChangeDocument extends BackupsDocument {
  readonly changed: boolean;
  readonly dryRun: boolean;
}
