/** `snapshot schedule`, and telling the cell of backups that were saved or rehearsed. */
import os from 'node:os';
import path from 'node:path';
import type { BackupStatusDocument } from '../client/backup-status.ts';
import { OperatorError, UnreachableError } from '../errors/index.ts';
import type { BackupChangeBody, BackupScheduleDocument } from '../formats/backup-body.ts';
import { statusOf, survey } from './cell-status.ts';
import { type CellFlags, withCell } from './connect.ts';

/** The JSON document of `snapshot schedule`. */
export interface ScheduleResult extends BackupStatusDocument {
  readonly changed: boolean;
  readonly dryRun: boolean;
}

/** What the cell does by itself, and how far it has come. @throws {UnreachableError} (exit 3) when nobody tells. */
export async function backupSchedule(flags: CellFlags): Promise<ScheduleResult> {
  const { backups } = statusOf(await survey(flags.endpoints, flags.timeout)).cell;
  if (backups === null) throw new UnreachableError('No replica that answers tells of backups.');
  return { ...backups, changed: false, dryRun: false };
}

/** Sets it, or ends it with null. */
export async function changeSchedule(
  flags: CellFlags,
  schedule: BackupScheduleDocument | null,
  dryRun: boolean,
): Promise<ScheduleResult> {
  const body: BackupChangeBody = schedule === null ? { op: 'stop', dryRun } : { op: 'schedule', ...schedule, dryRun };
  const { changed } = await withCell(flags, (client) => client.changeBackups(body));
  return { ...(await backupSchedule(flags)), ...(dryRun ? {} : { schedule }), changed, dryRun };
}

export type Told = { readonly told: true } | { readonly told: false; readonly why: string };

/**
 * Tells the cell of a backup outside of it. It is there whether the cell hears of it or not, so nothing is thrown.
 * Only the cell that the file is of is told.
 */
export async function tellOfBackup(
  flags: CellFlags,
  cell: string | null,
  told: Extract<BackupChangeBody, { op: 'saved' | 'rehearsed' }>,
): Promise<Told> {
  try {
    await withCell({ ...flags, timeout: Math.min(flags.timeout, 5_000) }, async (client) => {
      if (cell !== null && (await client.cellStatus()).cell.id !== cell) {
        throw new UnreachableError(`Cell ${cell}, which the file is of, does not answer there.`);
      }
      await client.changeBackups(told);
    });
    return { told: true };
  } catch (error) {
    if (!(error instanceof OperatorError)) throw error;
    return { told: false, why: error.message };
  }
}

/** Where a file of this machine is, for somebody on another one. */
export const whereOf = (file: string): { readonly file: string; readonly where: string } => ({
  file: path.resolve(file),
  where: os.hostname(),
});
