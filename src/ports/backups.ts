/** The directory that backups go to: another disk than the data's, which may be slow, full, or not there. Adapter: `adapters/node-world`. */
import type { Disk } from './disk.ts';

export interface BackupFolder {
  readonly disk: Disk;
  /** Absolute, without links. */
  readonly path: string;
  /** It lies on the file system of the data directory. */
  readonly sameDisk: boolean;
  /** It lies in the data directory, or the data directory in it. */
  readonly overlaps: boolean;
}

/** Opens a directory that is there and can be written to; nothing is made. @throws {DiskError} */
export type OpenBackups = (directory: string, dataDir: string) => Promise<BackupFolder>;
