/** What the master asks a member about the backup that is due, below `/peer/v1/`, proven by the cell's secret. */
import type { BackupRunDocument, SavedBackupDocument } from '../../formats/backup-body.ts';

export const backupPath = '/peer/v1/backup';

export interface BackupQuestion {
  readonly directory: string;
  readonly keep: number;
  /** The backup is to hold at least this instance. */
  readonly atLeast: number;
  /** The last one that the cell has recorded: one that is newer answers the question. */
  readonly after: { readonly generation: number; readonly instance: number } | null;
  /** True: begin one now. False: how does it go? */
  readonly begin: boolean;
  /** There is nobody but the master. */
  readonly alone: boolean;
}

/** `at` and `cellTimeMs`: of the state in it, by the clock of whoever wrote it and by the last value it had applied. */
export type WrittenBackup = Omit<SavedBackupDocument, 'where' | 'by'>;

export type BackupAnswer =
  | ({ readonly state: 'running' } & BackupRunDocument)
  /** It cannot yet: asked again, it may. */
  | { readonly state: 'waiting'; readonly why: string }
  | { readonly state: 'done'; readonly backup: WrittenBackup }
  /** `wrote`: it cost the disk something, and is not tried again at once. */
  | { readonly state: 'failed'; readonly why: string; readonly wrote: boolean };

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null;
const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;
const isText = (value: unknown): value is string => typeof value === 'string';

export function isBackupQuestion(value: unknown): value is BackupQuestion {
  if (!isObject(value)) return false;
  const { directory, keep, atLeast, after, begin, alone } = value;
  const known = after === null || (isObject(after) && isCount(after.generation) && isCount(after.instance));
  return (
    isText(directory) &&
    isCount(keep) &&
    isCount(atLeast) &&
    known &&
    typeof begin === 'boolean' &&
    typeof alone === 'boolean'
  );
}

export function isBackupAnswer(value: unknown): value is BackupAnswer {
  if (!isObject(value)) return false;
  switch (value.state) {
    case 'running':
      return isCount(value.instance) && isCount(value.bytes) && isCount(value.idleMs);
    case 'done':
      return isWritten(value.backup);
    case 'waiting':
      return isText(value.why);
    case 'failed':
      return isText(value.why) && typeof value.wrote === 'boolean';
    default:
      return false;
  }
}

function isWritten(value: unknown): value is WrittenBackup {
  if (!isObject(value)) return false;
  const { generation, instance, entries, bytes, checksum, digest, file, at, cellTimeMs } = value;
  return (
    [generation, instance, entries, bytes, cellTimeMs].every(isCount) &&
    [checksum, digest, file, at].every(isText) &&
    Number.isFinite(Date.parse(at as string))
  );
}
